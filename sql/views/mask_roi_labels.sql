-- One row per row of mask_rois, with value_labels: the labels of the ROI's value in the version's mask_labels,
-- those of that mask before those of '_all_'.
CREATE OR REPLACE VIEW mask_roi_labels AS
SELECT mask_rois.*, coalesce(own_labels.labels, all_labels.labels) AS value_labels
FROM mask_rois
LEFT JOIN mask_labels AS own_labels
    ON own_labels.version_id = mask_rois.version_id
    AND own_labels.mask_id = mask_rois.mask_id
    AND own_labels."value" = mask_rois.mask_value
LEFT JOIN mask_labels AS all_labels
    ON all_labels.version_id = mask_rois.version_id
    AND all_labels.mask_id = '_all_'
    AND all_labels."value" = mask_rois.mask_value;
