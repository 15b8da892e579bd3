-- One row per ROI and label, in every version where its frame is visible.
CREATE OR REPLACE VIEW roi_labels AS
SELECT
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_key,
    dataset_frames.frame_id,
    rois.roi_index,
    rois.roi_id,
    rois.kind,
    unnest(rois.labels) AS label,
    rois.confidence
FROM dataset_frames
JOIN rois ON rois.frame_key = dataset_frames.frame_key;
