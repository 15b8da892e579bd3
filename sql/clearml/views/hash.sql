-- One row, a hash of the frames in `selected` that does not depend on their order: their ids and contents, and the
-- mask_labels of their versions.
SELECT md5(to_json([
    CAST(count(*) AS VARCHAR),
    CAST(coalesce(bit_xor(md5_number(to_json([dataset, frame_id, content_hash]))), 0) AS VARCHAR),
    (
        SELECT string_agg(DISTINCT to_json([dataset, mask_id, CAST(entry AS VARCHAR)]), ',' ORDER BY
            to_json([dataset, mask_id, CAST(entry AS VARCHAR)]))
        FROM mask_labels
        WHERE version_id IN (SELECT version_id FROM selected)
    )
])) AS hash
FROM selected
