-- One row per image file that is not an image, or a damaged one; `message` says why.
-- To do: replace the file.
-- Severity: error. View: version_faults_files.
SELECT
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    frame_count AS "count",
    uri || ': ' || error AS message
FROM faulty_images
WHERE kind = 'source' AND fault = 'unreadable'
