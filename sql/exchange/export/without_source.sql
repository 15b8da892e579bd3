-- One row per ROI of the frames visible in version $version_id that have no source, and one per such frame without ROIs:
-- frame_key, frame_id, roi_index, labels.
SELECT visible.frame_key, visible.frame_id, rois.roi_index, rois.labels
FROM dataset_frames AS visible
LEFT JOIN rois ON rois.frame_key = visible.frame_key
ANTI JOIN sources ON sources.frame_key = visible.frame_key
WHERE visible.version_id = $version_id
ORDER BY visible.position, visible.frame_key, rois.roi_index;
