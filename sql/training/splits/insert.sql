-- Stores one row per frame: the part of its group in `frame_groups`. $group_keys and $parts are pairs of a group
-- and its part.
INSERT INTO splits (version_id, name, frame_key, part, grouped_by, group_name)
SELECT $version_id, $name, frame_groups.frame_key, group_parts.part, $grouped_by, frame_groups.group_name
FROM frame_groups
JOIN (SELECT unnest($group_keys) AS group_key, unnest($parts) AS part) AS group_parts
    ON group_parts.group_key = frame_groups.group_key
ORDER BY frame_groups.frame_key
