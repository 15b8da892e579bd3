-- One row per ROI, source and matching mask of the frames from $first_frame_key to $last_frame_key, as roi_masks has it. For each ROI
-- and source the first rule with a match holds: the ROI's mask id, a label that is a mask id, the only mask of the source, none.
WITH source_masks AS (
    SELECT
        sources.frame_key,
        sources.source_index,
        sources.source_id,
        sources.uri,
        sources.width,
        sources.height,
        coalesce(listed.mask_ids, []) AS mask_ids
    FROM sources
    LEFT JOIN (
        SELECT frame_key, source_index, list(mask_id) AS mask_ids
        FROM masks
        WHERE frame_key BETWEEN $first_frame_key AND $last_frame_key
        GROUP BY frame_key, source_index
    ) AS listed USING (frame_key, source_index)
    WHERE sources.frame_key BETWEEN $first_frame_key AND $last_frame_key
),
matched AS (
    SELECT
        rois.frame_key,
        rois.roi_index,
        rois.labels,
        rois.mask_id AS roi_mask_id,
        rois.mask_value,
        rois.confidence,
        source_masks.source_index,
        source_masks.source_id,
        source_masks.uri,
        source_masks.width,
        source_masks.height,
        source_masks.mask_ids,
        CASE
            WHEN list_contains(source_masks.mask_ids, rois.mask_id) THEN 'mask_id'
            WHEN list_has_any(source_masks.mask_ids, rois.labels) THEN 'label'
            WHEN len(source_masks.mask_ids) = 1 THEN 'only_mask'
            ELSE 'none'
        END AS matched_by
    FROM rois
    LEFT JOIN source_masks ON source_masks.frame_key = rois.frame_key
    WHERE rois.frame_key BETWEEN $first_frame_key AND $last_frame_key
        AND (
            source_masks.frame_key IS NULL
            OR coalesce(len(rois.sources), 0) = 0
            OR list_contains(rois.sources, source_masks.source_id)
        )
)
SELECT
    matched.frame_key,
    matched.roi_index,
    matched.source_index,
    masks.mask_index,
    matched.source_id,
    masks.mask_id,
    masks.uri,
    masks.content_type,
    masks."timestamp",
    matched.labels,
    CASE
        WHEN matched.matched_by <> 'label' THEN matched.labels
        WHEN matched.roi_mask_id IS NOT NULL
        THEN [matched.roi_mask_id]
            || list_filter(matched.labels, lambda label: NOT list_contains(matched.mask_ids, label))
        WHEN list_has_all(matched.mask_ids, matched.labels) THEN matched.labels
        ELSE list_filter(matched.labels, lambda label: NOT list_contains(matched.mask_ids, label))
    END AS class_labels,
    matched.mask_value,
    matched.confidence,
    matched.matched_by,
    matched.uri,
    matched.width,
    matched.height
FROM matched
LEFT JOIN masks
    ON masks.frame_key = matched.frame_key
    AND masks.source_index = matched.source_index
    AND CASE matched.matched_by
        WHEN 'mask_id' THEN masks.mask_id = matched.roi_mask_id
        WHEN 'label' THEN list_contains(matched.labels, masks.mask_id)
        WHEN 'only_mask' THEN true
        ELSE false
    END
ORDER BY matched.frame_key, matched.roi_index, matched.source_index, masks.mask_index;
