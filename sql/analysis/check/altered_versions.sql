-- One row per version of $version_ids that is no longer what was published, or whose ancestors are not those of its parents, into
-- altered_frames: version_id; frame_id is NULL. A published version has the hash of its parents' hashes, its frames and shadows
-- and its metadata, none of its frames twice, and each of their inputs; a draft has not been published.
INSERT INTO altered_frames
SELECT version_id, NULL
FROM (
    SELECT versions.version_id
    FROM versions
    JOIN (
{content_hashes}
    ) AS computed
        ON computed.version_id = versions.version_id
    WHERE CASE versions.status
        WHEN 'published' THEN versions.content_hash IS DISTINCT FROM computed.content_hash
        ELSE versions.content_hash IS NOT NULL OR versions.published_at IS NOT NULL
    END
    UNION
    -- Two equal rows leave no trace in the XOR of their hashes.
    SELECT unnest(list(version_id))
    FROM frames
    GROUP BY frame_key
    HAVING count(*) > 1
    UNION
    SELECT version_id FROM frames GROUP BY version_id, frame_id HAVING count(*) > 1
    UNION
    SELECT version_id FROM frame_shadows GROUP BY version_id, frame_key HAVING count(*) > 1
    UNION
    SELECT version_id FROM frames ANTI JOIN inputs USING (input_id)
    UNION
    -- What insert_lineage.sql makes of the lineages of the parents.
    SELECT version_id
    FROM (
        SELECT version_id, ancestor_id, rank, hides, 'stored' AS side
        FROM version_lineage
        UNION ALL
        SELECT version_id, ancestor_id, min(rank), bool_and(hides), 'expected'
        FROM (
            SELECT version_id, version_id AS ancestor_id, 0 AS rank, true AS hides
            FROM versions
            UNION ALL
            SELECT
                version_parents.version_id,
                inherited.ancestor_id,
                inherited.rank + 1,
                inherited.hides AND count(DISTINCT version_parents.parent_id) OVER (PARTITION BY version_parents.version_id) = 1
            FROM version_parents
            JOIN version_lineage AS inherited ON inherited.version_id = version_parents.parent_id
        )
        GROUP BY version_id, ancestor_id
    )
    GROUP BY version_id, ancestor_id, rank, hides
    HAVING count(*) <> 2 OR count(DISTINCT side) <> 2
)
WHERE version_id IN (SELECT unnest($version_ids));
