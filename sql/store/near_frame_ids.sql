-- One row per frame id of version $version_id that is similar to $frame_id: the three most similar, the nearest first.
SELECT frame_id
FROM dataset_frames
WHERE version_id = $version_id
ORDER BY jaro_similarity(frame_id, $frame_id) DESC, frame_id
LIMIT 3;
