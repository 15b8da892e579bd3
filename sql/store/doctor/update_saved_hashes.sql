-- Gives every version the saved_hash of its frames and shadows.
UPDATE versions
SET saved_hash = saved.saved_hash
FROM (
{content_hashes}
) AS saved
WHERE saved.version_id = versions.version_id;
