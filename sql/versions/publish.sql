-- Publishes version $version_id under the hash of what it saves: its parents' hashes, its frames and where they
-- stand, what it shadows, its metadata.
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
        (
            SELECT CAST(bit_xor(md5_number(to_json([frame_id, content_hash, CAST(position AS VARCHAR)]))) AS VARCHAR)
            FROM frames
            WHERE frames.version_id = $version_id
        ),
        (
            SELECT CAST(bit_xor(md5_number(to_json([frames.frame_id, frames.content_hash]))) AS VARCHAR)
            FROM frame_shadows
            JOIN frames USING (frame_key)
            WHERE frame_shadows.version_id = $version_id
        ),
        json_normalize(versions.metadata)
    ]))
WHERE version_id = $version_id AND status = 'draft';
