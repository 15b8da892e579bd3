-- One row per frame visible in version $version_id, in order: frame_key.
SELECT frame_key
FROM dataset_frames
WHERE version_id = $version_id
ORDER BY position, frame_key;
