-- One row per published version of $version_ids whose content_hash differs from the hash that publishing would take now, of
-- its parents' hashes, its frames and shadows and its metadata, into altered_frames: version_id; frame_id is NULL.
INSERT INTO altered_frames
SELECT versions.version_id, NULL
FROM versions
LEFT JOIN (
    SELECT version_parents.version_id, string_agg(parents.content_hash, ' ' ORDER BY version_parents.position) AS hashes
    FROM version_parents
    JOIN versions AS parents ON parents.version_id = version_parents.parent_id
    GROUP BY version_parents.version_id
) AS inherited
    ON inherited.version_id = versions.version_id
LEFT JOIN (
    SELECT
        version_id,
        CAST(bit_xor(md5_number(to_json([kind, frame_id, content_hash, CAST(position AS VARCHAR)]))) AS VARCHAR) AS hash
    FROM (
        SELECT 'frame' AS kind, version_id, frame_id, content_hash, position
        FROM frames
        UNION ALL
        SELECT 'shadow', frame_shadows.version_id, frames.frame_id, frames.content_hash, frames.position
        FROM frame_shadows
        JOIN frames ON frames.frame_key = frame_shadows.frame_key
    )
    GROUP BY version_id
) AS saved
    ON saved.version_id = versions.version_id
WHERE versions.version_id IN (SELECT unnest($version_ids))
    AND versions.status = 'published'
    AND versions.content_hash
        <> md5(to_json([inherited.hashes, coalesce(saved.hash, '0'), json_normalize(versions.metadata)]));
