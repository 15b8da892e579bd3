-- One row per version of dataset $dataset (NULL: of any), or only version $version_id: version_id.
SELECT versions.version_id
FROM versions
JOIN datasets ON datasets.dataset_id = versions.dataset_id
WHERE ($dataset IS NULL OR datasets.name = $dataset) AND ($version_id IS NULL OR versions.version_id = $version_id)
ORDER BY versions.version_id;
