-- One row per list of labels that a ROI of version $version_id has or its mask_labels declare: labels.
SELECT coalesce(nullif(class_labels, []), ['unlabelled']) AS labels FROM mask_rois WHERE version_id = $version_id
UNION
SELECT coalesce(nullif(labels, []), ['unlabelled']) FROM mask_labels WHERE version_id = $version_id;
