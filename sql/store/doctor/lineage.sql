-- One row per version and ancestor, itself included, as the parents of the versions give them: version_id, ancestor_id, rank,
-- hides, like the rows of version_lineage.
WITH RECURSIVE parents AS (
    SELECT DISTINCT version_id, parent_id, count(*) OVER (PARTITION BY version_id) = 1 AS is_only
    FROM version_parents
),
lines AS (
    SELECT version_id, version_id AS ancestor_id, 0 AS rank, true AS hides
    FROM versions
    UNION
    SELECT parents.version_id, lines.ancestor_id, lines.rank + 1, lines.hides AND parents.is_only
    FROM lines
    JOIN parents ON parents.parent_id = lines.version_id
    -- Parents that go in a circle end here.
    WHERE lines.rank < (SELECT count(*) FROM versions)
)
SELECT version_id, ancestor_id, CAST(min(rank) AS INTEGER) AS rank, bool_and(hides) AS hides
FROM lines
GROUP BY version_id, ancestor_id
