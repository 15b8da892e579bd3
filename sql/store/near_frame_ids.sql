-- The frame ids of version $version_id that look most like $frame_id, nearest first.
SELECT frame_id
FROM dataset_frames
WHERE version_id = $version_id
ORDER BY jaro_similarity(frame_id, $frame_id) DESC, frame_id
LIMIT 3;
