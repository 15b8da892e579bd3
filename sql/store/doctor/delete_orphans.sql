-- Deletes the rows that belong to nothing, those of orphans.sql, from the datasets down to the ROIs.
DELETE FROM versions WHERE dataset_id NOT IN (SELECT dataset_id FROM datasets);
DELETE FROM version_parents
WHERE version_id NOT IN (SELECT version_id FROM versions) OR parent_id NOT IN (SELECT version_id FROM versions);
DELETE FROM frames WHERE version_id NOT IN (SELECT version_id FROM versions);
DELETE FROM frame_shadows
WHERE version_id NOT IN (SELECT version_id FROM versions) OR frame_key NOT IN (SELECT frame_key FROM frames);
DELETE FROM sources WHERE frame_key NOT IN (SELECT frame_key FROM frames);
DELETE FROM masks WHERE (frame_key, source_index) NOT IN (SELECT (frame_key, source_index) FROM sources);
DELETE FROM rois WHERE frame_key NOT IN (SELECT frame_key FROM frames);
DELETE FROM roi_regions WHERE (frame_key, roi_index) NOT IN (SELECT (frame_key, roi_index) FROM rois);
DELETE FROM splits
WHERE version_id NOT IN (SELECT version_id FROM versions) OR frame_key NOT IN (SELECT frame_key FROM frames);
DELETE FROM mask_regions WHERE mask_file_key NOT IN (SELECT mask_file_key FROM mask_files);
DELETE FROM mask_pair_values WHERE mask_pair_key NOT IN (SELECT mask_pair_key FROM mask_pairs);
