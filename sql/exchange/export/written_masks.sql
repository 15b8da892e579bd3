-- One row per id of the masks in which ROIs of version $version_id lie: mask_id, rois (how many).
SELECT mask_id, count(*) AS rois
FROM mask_rois
WHERE version_id = $version_id AND mask_value IS NOT NULL AND mask_id IS NOT NULL
GROUP BY mask_id
ORDER BY mask_id;
