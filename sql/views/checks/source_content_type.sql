-- One row per image file whose content is another kind of image than its `content_type` says.
-- To do: correct the `content_type` in the frames.
-- Severity: warning. View: version_faults_files.
SELECT
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    frame_count AS "count",
    uri || ': declared as ' || content_type || ', and its content is ' || header_content_type AS message
FROM mistyped_images
WHERE kind = 'source'
