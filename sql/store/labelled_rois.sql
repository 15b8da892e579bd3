-- One row per ROI of the frames $frame_keys that has one of $labels: the columns of rois.
SELECT rois.*
FROM rois
SEMI JOIN (
    SELECT frame_key, roi_index
    FROM roi_masks
    WHERE frame_key IN (SELECT unnest($frame_keys))
        AND list_has_any(coalesce(nullif(class_labels, []), ['unlabelled']), $labels)
) AS labelled ON labelled.frame_key = rois.frame_key AND labelled.roi_index = rois.roi_index;
