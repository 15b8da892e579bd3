-- One row per ROI with labels of the frames in `wanted`: frame_key, version_id, roi_index, mapped, number.
SELECT wanted.frame_key, wanted.version_id, rois.roi_index, mapped_labels.mapped, mapped_labels.number
FROM wanted
JOIN rois ON rois.frame_key = wanted.frame_key
JOIN mapped_labels ON mapped_labels.version_id = wanted.version_id AND mapped_labels.labels = rois.labels
ORDER BY wanted.frame_key, wanted.version_id, rois.roi_index
