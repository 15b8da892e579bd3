-- The distinct lists of labels of the ROIs of some frames: version_id, labels.
SELECT DISTINCT wanted.version_id, rois.labels
FROM wanted
JOIN rois ON rois.frame_key = wanted.frame_key
WHERE rois.labels IS NOT NULL
