-- Publishes version $version_id with the hash of its content: its parents' hashes, its frames and their positions, its shadows
-- and its metadata.
UPDATE versions
SET
    status = 'published',
    published_at = epoch_ms(epoch_ms(now())),
    content_hash = md5(to_json([
        (
            SELECT string_agg(parents.content_hash, ' ' ORDER BY version_parents.position)
            FROM version_parents
            JOIN versions AS parents ON parents.version_id = version_parents.parent_id
            WHERE version_parents.version_id = $version_id
        ),
        saved_hash,
        json_normalize(versions.metadata)
    ]))
WHERE version_id = $version_id AND status = 'draft';
