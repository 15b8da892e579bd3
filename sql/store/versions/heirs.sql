-- One row per version that inherits from version $version_id: its name, oldest first.
SELECT versions.name
FROM version_lineage
JOIN versions USING (version_id)
WHERE version_lineage.ancestor_id = $version_id AND version_lineage.version_id <> $version_id
ORDER BY versions.version_id;
