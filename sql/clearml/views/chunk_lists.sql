-- One row per distinct list of labels of the ROIs of the frames in `frame_keys`: version_id, labels.
SELECT DISTINCT frame_keys.version_id, rois.labels
FROM frame_keys
JOIN rois ON rois.frame_key = frame_keys.frame_key
WHERE rois.labels IS NOT NULL
