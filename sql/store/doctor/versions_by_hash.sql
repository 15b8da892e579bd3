-- One row per version whose saved_hash its frames do not give, or, if it is published, whose content_hash: the version by its
-- name, and whether it is published.
SELECT datasets.name || '/' || versions.name AS version, versions.status = 'published' AS is_published
FROM versions
JOIN datasets ON datasets.dataset_id = versions.dataset_id
JOIN (
{content_hashes}
) AS computed
    ON computed.version_id = versions.version_id
WHERE computed.saved_hash <> versions.saved_hash
    OR (versions.status = 'published' AND versions.content_hash <> computed.content_hash)
ORDER BY version
