-- Keeps the parts that the groups of `grouped` are in: $parts maps group_key to part.
INSERT INTO splits (version_id, name, frame_key, part, grouped_by, group_name)
SELECT $version_id, $name, grouped.frame_key, chosen.part, $grouped_by, grouped.group_name
FROM grouped
JOIN (SELECT unnest($group_keys) AS group_key, unnest($parts) AS part) AS chosen
    ON chosen.group_key = grouped.group_key
ORDER BY grouped.frame_key
