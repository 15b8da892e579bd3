-- One row per version: version_id, and saved_hash as its frames and shadows give it.
SELECT versions.version_id, CAST(coalesce(bit_xor(saved.hash), 0) AS VARCHAR) AS saved_hash
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
) AS saved
    ON saved.version_id = versions.version_id
GROUP BY versions.version_id
