-- One row per version: version_id, saved_hash as its frames and shadows give it, and content_hash as publishing would take it now,
-- of its parents' hashes, that and its metadata.
SELECT
    versions.version_id,
    saved.hash AS saved_hash,
    md5(to_json([inherited.hashes, saved.hash, json_normalize(versions.metadata)])) AS content_hash
FROM versions
JOIN (
    SELECT versions.version_id, CAST(coalesce(bit_xor(parts.hash), 0) AS VARCHAR) AS hash
    FROM versions
    LEFT JOIN (
        SELECT version_id, md5_number(to_json(['frame', frame_id, content_hash, CAST(position AS VARCHAR)])) AS hash
        FROM frames
        UNION ALL
        SELECT
            frame_shadows.version_id,
            md5_number(to_json(['shadow', frames.frame_id, frames.content_hash, CAST(frames.position AS VARCHAR)]))
        FROM frame_shadows
        JOIN frames ON frames.frame_key = frame_shadows.frame_key
    ) AS parts
        ON parts.version_id = versions.version_id
    GROUP BY versions.version_id
) AS saved
    ON saved.version_id = versions.version_id
LEFT JOIN (
    SELECT version_parents.version_id, string_agg(parents.content_hash, ' ' ORDER BY version_parents.position) AS hashes
    FROM version_parents
    JOIN versions AS parents ON parents.version_id = version_parents.parent_id
    GROUP BY version_parents.version_id
) AS inherited
    ON inherited.version_id = versions.version_id
