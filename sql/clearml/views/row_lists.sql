-- One row per distinct list of labels of a ROI or a pixel value of the frames in `shown`: version_id, labels.
SELECT shown.version_id, roi_masks.labels
FROM shown
JOIN roi_masks ON roi_masks.frame_key = shown.frame_key
UNION
SELECT shown.version_id, roi_masks.class_labels
FROM shown
JOIN roi_masks ON roi_masks.frame_key = shown.frame_key
UNION
SELECT version_id, labels FROM segments
