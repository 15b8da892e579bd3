-- One row per frame of $frame_ids that version $version_id itself saves, into dropped_frames.
INSERT INTO dropped_frames
SELECT frame_key
FROM dataset_frames
WHERE version_id = $version_id
    AND saved_in_version_id = $version_id
    AND frame_id IN (SELECT unnest($frame_ids));
