-- One row per region to draw on the frames $frame_keys of version $version_id, the lowest first: frame_key, source_index,
-- mask_id, mask, mask_value, rle and poly (of the ROI itself), labels, roi_index. Values of mask_labels, whose roi_index is
-- NULL, lie below those of ROIs.
SELECT frame_key, source_index, mask_id, mask, mask_value, rle, poly, labels, roi_index
FROM (
    SELECT
        frame_key,
        source_index,
        mask_id,
        mask,
        "value" AS mask_value,
        NULL AS rle,
        NULL AS poly,
        labels,
        NULL AS roi_index,
        0 AS layer,
        mask_index AS place
    FROM mask_segments
    WHERE version_id = $version_id AND list_contains($frame_keys, frame_key)
    UNION ALL
    SELECT
        mask_rois.frame_key,
        mask_rois.source_index,
        mask_rois.mask_id,
        mask_rois.mask,
        mask_rois.mask_value,
        CASE WHEN mask_rois.mask_value IS NULL THEN rois.rle END,
        CASE WHEN mask_rois.mask_value IS NULL THEN rois.poly END,
        mask_rois.class_labels,
        mask_rois.roi_index,
        1,
        mask_rois.roi_index
    FROM mask_rois
    JOIN rois ON rois.frame_key = mask_rois.frame_key AND rois.roi_index = mask_rois.roi_index
    WHERE mask_rois.version_id = $version_id AND list_contains($frame_keys, mask_rois.frame_key)
)
ORDER BY frame_key, source_index, layer, place, mask_value;
