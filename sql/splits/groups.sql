-- One row per group of `grouped` (frame_key, group_name), in an order that follows from $seed and the names alone:
-- group_key and frames. A frame whose group is NULL is a group of its own.
SELECT group_key, count(*) AS frames
FROM (
    SELECT coalesce(to_json([group_name]), to_json([NULL, frame_id])) AS group_key
    FROM grouped
)
GROUP BY group_key
ORDER BY md5(to_json([CAST($seed AS VARCHAR), CAST(group_key AS VARCHAR)])), group_key
