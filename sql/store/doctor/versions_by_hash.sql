-- One row per version whose saved_hash its frames do not give, or, if it is published, whose content_hash: the version by its
-- name, and whether it is published.
SELECT datasets.name || '/' || versions.name AS version, versions.status = 'published' AS is_published
FROM versions
JOIN datasets ON datasets.dataset_id = versions.dataset_id
JOIN (
{saved_hashes}
) AS saved
    ON saved.version_id = versions.version_id
LEFT JOIN (
    SELECT version_parents.version_id, string_agg(parents.content_hash, ' ' ORDER BY version_parents.position) AS hashes
    FROM version_parents
    JOIN versions AS parents ON parents.version_id = version_parents.parent_id
    GROUP BY version_parents.version_id
) AS inherited
    ON inherited.version_id = versions.version_id
WHERE saved.saved_hash <> versions.saved_hash
    OR (
        versions.status = 'published'
        AND versions.content_hash
            <> md5(to_json([inherited.hashes, saved.saved_hash, json_normalize(versions.metadata)]))
    )
ORDER BY version
