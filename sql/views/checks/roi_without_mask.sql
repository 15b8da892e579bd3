-- One row per ROI with a mask id or value that resolves to no mask of any source, so that no query over masks sees it.
-- To do: correct the mask id of the ROI, or add the mask to the source.
-- Severity: error. View: version_faults_meaning.
SELECT
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_id,
    min(roi_masks.source_id) AS source_id,
    rois.mask_value AS "value",
    1 AS "count",
    'rois[' || rois.roi_index || ']: no mask' || coalesce(' of id ' || rois.mask_id, '') || ' in any of its sources'
        AS message
FROM dataset_frames
JOIN roi_masks ON roi_masks.frame_key = dataset_frames.frame_key AND roi_masks.matched_by = 'none'
JOIN rois ON rois.frame_key = roi_masks.frame_key AND rois.roi_index = roi_masks.roi_index AND rois.kind = 'mask'
ANTI JOIN (
    SELECT frame_key, roi_index
    FROM roi_masks
    WHERE matched_by <> 'none' AND frame_key IN (SELECT frame_key FROM roi_masks WHERE matched_by = 'none')
) AS resolved
    ON resolved.frame_key = roi_masks.frame_key AND resolved.roi_index = roi_masks.roi_index
GROUP BY
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_id,
    rois.roi_index,
    rois.mask_id,
    rois.mask_value
