-- One row per table with rows that belong to nothing, and their number: table_name, rows.
SELECT 'versions' AS table_name, count(*) AS rows
FROM versions ANTI JOIN datasets USING (dataset_id)
UNION ALL
SELECT 'version_parents', count(*)
FROM version_parents
WHERE version_id NOT IN (SELECT version_id FROM versions) OR parent_id NOT IN (SELECT version_id FROM versions)
UNION ALL
SELECT 'frames', count(*)
FROM frames ANTI JOIN versions USING (version_id)
UNION ALL
SELECT 'frame_shadows', count(*)
FROM frame_shadows
WHERE version_id NOT IN (SELECT version_id FROM versions) OR frame_key NOT IN (SELECT frame_key FROM frames)
UNION ALL
SELECT 'sources', count(*)
FROM sources ANTI JOIN frames USING (frame_key)
UNION ALL
SELECT 'masks', count(*)
FROM masks ANTI JOIN sources USING (frame_key, source_index)
UNION ALL
SELECT 'rois', count(*)
FROM rois ANTI JOIN frames USING (frame_key)
UNION ALL
SELECT 'roi_regions', count(*)
FROM roi_regions ANTI JOIN rois USING (frame_key, roi_index)
UNION ALL
SELECT 'splits', count(*)
FROM splits
WHERE version_id NOT IN (SELECT version_id FROM versions) OR frame_key NOT IN (SELECT frame_key FROM frames)
UNION ALL
SELECT 'mask_regions', count(*)
FROM mask_regions ANTI JOIN mask_files USING (mask_file_key)
UNION ALL
SELECT 'mask_pair_values', count(*)
FROM mask_pair_values ANTI JOIN mask_pairs USING (mask_pair_key)
