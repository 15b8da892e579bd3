-- Brings the saved_hash of version $version_id up to date: adds its new frames, from $first_frame_key on, and hidden_frames,
-- and removes dropped_frames.
UPDATE versions
SET saved_hash = CAST(xor(
    CAST(saved_hash AS UHUGEINT),
    (
        SELECT coalesce(bit_xor(md5_number(to_json([kind, frame_id, content_hash, CAST(position AS VARCHAR)]))), 0)
        FROM (
            SELECT 'frame' AS kind, frames.* FROM frames WHERE frame_key >= $first_frame_key
            UNION ALL
            SELECT 'frame', frames.* FROM frames WHERE frame_key IN (SELECT frame_key FROM dropped_frames)
            UNION ALL
            SELECT 'shadow', frames.* FROM frames WHERE frame_key IN (SELECT frame_key FROM hidden_frames)
        )
    )
) AS VARCHAR)
WHERE version_id = $version_id;
