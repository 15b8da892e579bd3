-- One row per difference from version $from_version_id to version $to_version_id: item ('frame', 'roi' or 'mask_label'),
-- change, frame_id, roi_index (in the version where it is, the later one first), mask_id, value, and before and after.
-- A frame is added, removed or changed; a ROI of a frame in both is added, removed, relabelled, or moved to another
-- value, mask or shape; a label mapping is added, removed or relabelled.
-- ROIs are paired within their frame, in turn: by id; as equals; by place (relabelled); by labels (moved); of several
-- candidates the first with the first. A ROI paired by id may be relabelled and moved.
WITH frames_from AS (
    SELECT frame_id, frame_key, content_hash FROM dataset_frames WHERE version_id = $from_version_id
),
frames_to AS (
    SELECT frame_id, frame_key, content_hash FROM dataset_frames WHERE version_id = $to_version_id
),
frame_changes AS (
    SELECT
        coalesce(frames_to.frame_id, frames_from.frame_id) AS frame_id,
        frames_from.frame_key AS from_key,
        frames_to.frame_key AS to_key
    FROM (FROM frames_from ANTI JOIN frames_to USING (frame_key)) AS frames_from
    FULL JOIN (FROM frames_to ANTI JOIN frames_from USING (frame_key)) AS frames_to
        ON frames_to.frame_id = frames_from.frame_id
    WHERE frames_from.content_hash IS DISTINCT FROM frames_to.content_hash
),
changed_rois AS (
    SELECT
        frame_sides.frame_id,
        struct_pack(
            roi_index := rois.roi_index,
            roi_id := rois.roi_id,
            labels := rois.labels,
            mask_id := rois.mask_id,
            mask_value := rois.mask_value,
            label_key := json_array(rois.labels),
            place_key := json_array(rois.mask_id, rois.mask_value, rois.sources, rois.poly, rois.rle)
        ) AS roi,
        frame_sides.is_after
    FROM (
        SELECT frame_id, unnest([from_key, to_key]) AS frame_key, unnest([false, true]) AS is_after
        FROM frame_changes
        WHERE from_key IS NOT NULL AND to_key IS NOT NULL
    ) AS frame_sides
    JOIN rois ON rois.frame_key = frame_sides.frame_key
),
pairs_by_id AS (
    SELECT
        frame_id,
        any_value(roi) FILTER (NOT is_after) AS before,
        any_value(roi) FILTER (is_after) AS after
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame_id, is_after, pair_key ORDER BY roi.roi_index) AS candidate
        FROM (SELECT *, CASE WHEN roi.roi_id IS NULL THEN json_array(is_after, roi.roi_index) ELSE json_array(roi.roi_id) END AS pair_key FROM changed_rois)
    )
    GROUP BY frame_id, pair_key, candidate
),
left_by_id AS (
    SELECT frame_id, coalesce(after, before) AS roi, after IS NOT NULL AS is_after
    FROM pairs_by_id
    WHERE before IS NULL OR after IS NULL
),
pairs_by_equality AS (
    SELECT
        frame_id,
        any_value(roi) FILTER (NOT is_after) AS before,
        any_value(roi) FILTER (is_after) AS after
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame_id, is_after, pair_key ORDER BY roi.roi_index) AS candidate
        FROM (SELECT *, json_array(roi.label_key, roi.place_key) AS pair_key FROM left_by_id)
    )
    GROUP BY frame_id, pair_key, candidate
),
left_by_equality AS (
    SELECT frame_id, coalesce(after, before) AS roi, after IS NOT NULL AS is_after
    FROM pairs_by_equality
    WHERE before IS NULL OR after IS NULL
),
pairs_by_place AS (
    SELECT
        frame_id,
        any_value(roi) FILTER (NOT is_after) AS before,
        any_value(roi) FILTER (is_after) AS after
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame_id, is_after, pair_key ORDER BY roi.roi_index) AS candidate
        FROM (SELECT *, roi.place_key AS pair_key FROM left_by_equality)
    )
    GROUP BY frame_id, pair_key, candidate
),
left_by_place AS (
    SELECT frame_id, coalesce(after, before) AS roi, after IS NOT NULL AS is_after
    FROM pairs_by_place
    WHERE before IS NULL OR after IS NULL
),
pairs_by_labels AS (
    SELECT
        frame_id,
        any_value(roi) FILTER (NOT is_after) AS before,
        any_value(roi) FILTER (is_after) AS after
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame_id, is_after, pair_key ORDER BY roi.roi_index) AS candidate
        FROM (SELECT *, roi.label_key AS pair_key FROM left_by_place)
    )
    GROUP BY frame_id, pair_key, candidate
),
roi_changes AS (
    SELECT 'relabelled' AS change, * FROM pairs_by_id WHERE before.label_key <> after.label_key
    UNION ALL
    SELECT 'moved', * FROM pairs_by_id WHERE before.place_key <> after.place_key
    UNION ALL
    SELECT 'relabelled', * FROM pairs_by_place WHERE before IS NOT NULL AND after IS NOT NULL
    UNION ALL
    SELECT CASE WHEN before IS NULL THEN 'added' WHEN after IS NULL THEN 'removed' ELSE 'moved' END, *
    FROM pairs_by_labels
),
label_changes AS (
    SELECT
        coalesce(labels_to.mask_id, labels_from.mask_id) AS mask_id,
        coalesce(labels_to."value", labels_from."value") AS "value",
        labels_from.labels AS before,
        labels_to.labels AS after
    FROM (SELECT mask_id, "value", labels FROM mask_labels WHERE version_id = $from_version_id) AS labels_from
    FULL JOIN (SELECT mask_id, "value", labels FROM mask_labels WHERE version_id = $to_version_id) AS labels_to
        ON labels_to.mask_id = labels_from.mask_id AND labels_to."value" = labels_from."value"
    WHERE labels_from.labels IS DISTINCT FROM labels_to.labels
)
SELECT
    'frame' AS item,
    CASE WHEN from_key IS NULL THEN 'added' WHEN to_key IS NULL THEN 'removed' ELSE 'changed' END AS change,
    frame_id,
    NULL AS roi_index,
    NULL AS mask_id,
    CAST(NULL AS INTEGER[]) AS "value",
    CAST(NULL AS JSON) AS before,
    CAST(NULL AS JSON) AS after
FROM frame_changes
UNION ALL
SELECT
    'roi',
    change,
    frame_id,
    coalesce(after, before).roi_index,
    coalesce(after, before).mask_id,
    coalesce(after, before).mask_value,
    CASE
        WHEN before IS NOT NULL
        THEN json_object('labels', before.labels, 'mask_id', before.mask_id, 'value', before.mask_value)
    END,
    CASE
        WHEN after IS NOT NULL
        THEN json_object('labels', after.labels, 'mask_id', after.mask_id, 'value', after.mask_value)
    END
FROM roi_changes
UNION ALL
SELECT
    'mask_label',
    CASE WHEN before IS NULL THEN 'added' WHEN after IS NULL THEN 'removed' ELSE 'relabelled' END,
    NULL,
    NULL,
    mask_id,
    "value",
    to_json(before),
    to_json(after)
FROM label_changes
ORDER BY item, change, frame_id, roi_index, mask_id, "value";
