-- One row per mask file whose size is not the declared `width` and `height`; of a turned image the size as shown is
-- right, too.
-- To do: correct the size in the frames.
-- Severity: error. View: version_faults_files.
SELECT
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    uri AS mask_uri,
    frame_count AS "count",
    'declared as ' || width || ' x ' || height || ', and has '
        || header_width || ' x ' || header_height || ' pixels' AS message
FROM missized_images
WHERE kind = 'mask'
