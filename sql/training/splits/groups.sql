-- One row per group of `frame_groups` (frame_key, group_name, group_key), in an order that follows from $seed and the names
-- alone: group_key and frames.
SELECT group_key, count(*) AS frames
FROM frame_groups
GROUP BY group_key
ORDER BY md5(to_json([CAST($seed AS VARCHAR), group_key])), group_key
