-- Keeps the parts that the groups of `frame_groups` are in: $parts maps group_key to part.
INSERT INTO splits (version_id, name, frame_key, part, grouped_by, group_name)
SELECT $version_id, $name, frame_groups.frame_key, chosen.part, $grouped_by, frame_groups.group_name
FROM frame_groups
JOIN (SELECT unnest($group_keys) AS group_key, unnest($parts) AS part) AS chosen
    ON chosen.group_key = frame_groups.group_key
ORDER BY frame_groups.frame_key
