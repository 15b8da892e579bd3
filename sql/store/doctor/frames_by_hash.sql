-- One row per frame of $frame_keys whose content_hash is not that of its JSON text: frame_key, frame_id, the version by its
-- name, and the hash of the text.
SELECT
    frames.frame_key,
    frames.frame_id,
    datasets.name || '/' || versions.name AS version,
    md5(json_normalize(content.frame)) AS content_hash
FROM (
{frame_json}
) AS content
JOIN frames ON frames.frame_key = content.frame_key
JOIN versions ON versions.version_id = frames.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
WHERE frames.content_hash <> md5(json_normalize(content.frame))
