-- One row per mask id in which ROIs of version $version_id live: mask_id, rois.
SELECT mask_id, count(*) AS rois
FROM mask_rois
WHERE version_id = $version_id AND mask_value IS NOT NULL AND mask_id IS NOT NULL
GROUP BY mask_id
ORDER BY mask_id;
