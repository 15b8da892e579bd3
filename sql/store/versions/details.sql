-- One row, version $version_id: dataset, version, status, comment, metadata, and the names of its parents.
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.status,
    versions.comment,
    versions.metadata,
    coalesce(parents.names, []) AS parent_names
FROM versions
JOIN datasets USING (dataset_id)
LEFT JOIN (
    SELECT
        version_parents.version_id,
        list(parents.name ORDER BY version_parents.position) AS names
    FROM version_parents
    JOIN versions AS parents ON parents.version_id = version_parents.parent_id
    GROUP BY version_parents.version_id
) AS parents ON parents.version_id = versions.version_id
WHERE versions.version_id = $version_id;
