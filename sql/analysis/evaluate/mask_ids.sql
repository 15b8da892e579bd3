-- One row per id of the masks that are visible in version $version_id: mask_id, NULL for masks without one.
SELECT DISTINCT mask_id FROM frame_masks WHERE version_id = $version_id ORDER BY mask_id;
