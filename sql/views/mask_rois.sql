-- One row per ROI x source x mask that it resolves to, in every version where its frame is visible. A ROI without a matching
-- mask (matched_by = 'none') has a row whose mask is NULL, so that no ROI disappears.
CREATE OR REPLACE VIEW mask_rois AS
SELECT
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_key,
    dataset_frames.frame_id,
    dataset_frames.context_id,
    dataset_frames."timestamp" AS frame_timestamp,
    dataset_frames.meta AS frame_meta,
    roi_masks.source_index,
    roi_masks.source_id,
    resolve_uri(dataset_frames.media_root, roi_masks.source_uri) AS source_uri,
    roi_masks.source_width AS width,
    roi_masks.source_height AS height,
    roi_masks.mask_index,
    roi_masks.mask_id,
    resolve_uri(dataset_frames.media_root, roi_masks.uri) AS mask_uri,
    CASE
        WHEN roi_masks.mask_index IS NOT NULL
        THEN struct_pack(
            uri := resolve_uri(dataset_frames.media_root, roi_masks.uri),
            content_type := roi_masks.content_type,
            "timestamp" := roi_masks."timestamp"
        )
    END AS mask,
    roi_masks.roi_index,
    roi_details.roi_id,
    roi_details.mask_id AS roi_mask_id,
    roi_masks.labels,
    roi_masks.class_labels,
    roi_masks.mask_value,
    roi_masks.confidence,
    roi_details.meta AS roi_meta,
    roi_masks.matched_by
FROM dataset_frames
JOIN roi_masks ON roi_masks.frame_key = dataset_frames.frame_key
-- Grouping by a key changes nothing, but the optimizer then drops the join where its columns are not used, as long as there
-- is no other outer join.
LEFT JOIN (
    SELECT frame_key, roi_index, min(roi_id) AS roi_id, min(mask_id) AS mask_id, min(meta) AS meta
    FROM rois
    GROUP BY frame_key, roi_index
) AS roi_details
    ON roi_details.frame_key = roi_masks.frame_key AND roi_details.roi_index = roi_masks.roi_index;
