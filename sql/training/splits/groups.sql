-- One row per group of `frame_groups` (frame_key, group_name, group_key): group_key and its number of frames. The
-- order depends on $seed and the names only.
SELECT group_key, count(*) AS frames
FROM frame_groups
GROUP BY group_key
ORDER BY md5(to_json([CAST($seed AS VARCHAR), group_key])), group_key
