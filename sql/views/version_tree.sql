-- One row per version: its parents and children by name, its depth along first parents (0 for a root), and tree, its line in
-- a drawing of the dataset's versions, whose lines are in the order of dataset, then tree_order.
CREATE OR REPLACE VIEW version_tree AS
WITH RECURSIVE placed AS (
    SELECT version_id, 0 AS depth, [version_id] AS tree_order
    FROM versions
    WHERE version_id NOT IN (SELECT version_id FROM version_parents)
    UNION ALL
    SELECT version_parents.version_id, placed.depth + 1, list_append(placed.tree_order, version_parents.version_id)
    FROM placed
    JOIN version_parents ON version_parents.parent_id = placed.version_id AND version_parents.position = 0
)
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.version_id,
    versions.status,
    placed.depth,
    coalesce(parents.names, []) AS parents,
    coalesce(children.names, []) AS children,
    repeat('  ', placed.depth) || versions.name AS tree,
    placed.tree_order
FROM versions
JOIN datasets ON datasets.dataset_id = versions.dataset_id
JOIN placed ON placed.version_id = versions.version_id
LEFT JOIN (
    SELECT version_parents.version_id, list(named.name ORDER BY version_parents.position) AS names
    FROM version_parents
    JOIN versions AS named ON named.version_id = version_parents.parent_id
    GROUP BY version_parents.version_id
) AS parents ON parents.version_id = versions.version_id
LEFT JOIN (
    SELECT version_parents.parent_id AS version_id, list(named.name ORDER BY named.version_id) AS names
    FROM version_parents
    JOIN versions AS named ON named.version_id = version_parents.version_id
    GROUP BY version_parents.parent_id
) AS children ON children.version_id = versions.version_id;
