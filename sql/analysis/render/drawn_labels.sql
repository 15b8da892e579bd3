-- One row per list of labels that a region of version $version_id may have: labels.
SELECT DISTINCT class_labels FROM mask_rois WHERE version_id = $version_id
UNION
SELECT labels FROM mask_labels WHERE version_id = $version_id;
