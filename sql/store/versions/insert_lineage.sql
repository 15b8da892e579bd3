-- One row per ancestor of version $version_id, itself included, at the shortest distance, into version_lineage.
INSERT INTO version_lineage
SELECT $version_id, ancestor_id, min(rank), bool_and(hides)
FROM (
    SELECT $version_id AS ancestor_id, 0 AS rank, true AS hides
    UNION ALL
    SELECT
        inherited.ancestor_id,
        inherited.rank + 1,
        inherited.hides AND (SELECT count(*) = 1 FROM version_parents WHERE version_id = $version_id)
    FROM version_parents
    JOIN version_lineage AS inherited ON inherited.version_id = version_parents.parent_id
    WHERE version_parents.version_id = $version_id
)
GROUP BY ancestor_id;
