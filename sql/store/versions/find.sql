-- One row per version of dataset $dataset: version_id, name, status; drafts first, then the newest first.
SELECT versions.version_id, versions.name, versions.status
FROM versions
JOIN datasets USING (dataset_id)
WHERE datasets.name = $dataset
ORDER BY versions.status = 'draft' DESC, versions.version_id DESC;
