-- One row per value of ROIs that no pixel of their mask has, in a mask without undeclared values; `count` is the ROIs.
-- To do: remove the ROIs, or correct their value.
-- Severity: warning. View: version_faults_colours.
SELECT
    mask_roi_regions.dataset,
    mask_roi_regions.version,
    mask_roi_regions.version_id,
    mask_roi_regions.frame_id,
    mask_roi_regions.source_id,
    mask_roi_regions.mask_uri,
    mask_roi_regions.mask_value AS "value",
    count(*) AS "count",
    'no pixel of ' || CAST(mask_roi_regions.mask_value AS VARCHAR) || ', which a ROI of '
        || coalesce(array_to_string(min(mask_roi_regions.class_labels), ', '), 'no label') || ' has' AS message
FROM mask_roi_regions
-- Undeclared values explain absent ones.
ANTI JOIN undeclared_masks USING (version_id, frame_key, source_index, mask_index)
WHERE mask_roi_regions.area = 0 AND mask_roi_regions.mask_value IS NOT NULL
GROUP BY
    mask_roi_regions.dataset,
    mask_roi_regions.version,
    mask_roi_regions.version_id,
    mask_roi_regions.frame_id,
    mask_roi_regions.source_id,
    mask_roi_regions.mask_uri,
    mask_roi_regions.mask_value
