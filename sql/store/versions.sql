-- One row per version of dataset $dataset (of all where NULL), oldest first: dataset, version, status, comment,
-- created_at, published_at, version_id, and the numbers of frames, sources, masks and ROIs visible in it.
WITH visible AS (
    SELECT version_id, frame_key FROM dataset_frames WHERE $dataset IS NULL OR dataset = $dataset
),
frame_sizes AS (
    SELECT frame_key, count(*) AS sources, 0 AS masks, 0 AS rois FROM sources GROUP BY frame_key
    UNION ALL
    SELECT frame_key, 0, count(*), 0 FROM masks GROUP BY frame_key
    UNION ALL
    SELECT frame_key, 0, 0, count(*) FROM rois GROUP BY frame_key
),
sizes AS (
    SELECT version_id, sum(sources) AS sources, sum(masks) AS masks, sum(rois) AS rois
    FROM visible
    JOIN frame_sizes USING (frame_key)
    GROUP BY version_id
)
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.status,
    versions.comment,
    versions.created_at,
    versions.published_at,
    versions.version_id,
    (SELECT count(*) FROM visible WHERE visible.version_id = versions.version_id) AS frames,
    CAST(coalesce(sizes.sources, 0) AS BIGINT) AS sources,
    CAST(coalesce(sizes.masks, 0) AS BIGINT) AS masks,
    CAST(coalesce(sizes.rois, 0) AS BIGINT) AS rois
FROM versions
JOIN datasets USING (dataset_id)
LEFT JOIN sizes USING (version_id)
WHERE $dataset IS NULL OR datasets.name = $dataset
ORDER BY datasets.name, versions.version_id;
