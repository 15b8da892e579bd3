-- One row per ROI with labels of the frames in `frame_keys`: frame_key, version_id, roi_index, its mapped labels
-- and their number.
SELECT frame_keys.frame_key, frame_keys.version_id, rois.roi_index, mapped_labels.mapped, mapped_labels.number
FROM frame_keys
JOIN rois ON rois.frame_key = frame_keys.frame_key
JOIN mapped_labels ON mapped_labels.version_id = frame_keys.version_id AND mapped_labels.labels = rois.labels
ORDER BY frame_keys.frame_key, frame_keys.version_id, rois.roi_index
