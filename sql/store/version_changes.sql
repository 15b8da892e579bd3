-- One row per difference from version $from_version_id to version $to_version_id: item ('frame', 'roi' or 'mask_label'),
-- change, frame_id, roi_index (in the version where it is, the later one first), mask_id, value, and before and after.
-- A frame is added, removed or changed; a ROI of a frame in both is added, removed, relabelled, or moved to another
-- value, mask or shape; a label mapping is added, removed or relabelled.
-- ROIs are paired within their frame, in turn: by id; as equals; by place (relabelled); by labels (moved); of several
-- candidates the first with the first. A ROI paired by id may be relabelled and moved.
CREATE OR REPLACE TEMP TABLE version_changes AS
WITH keys_from AS MATERIALIZED (SELECT frame_key FROM dataset_frames WHERE version_id = $from_version_id),
keys_to AS MATERIALIZED (SELECT frame_key FROM dataset_frames WHERE version_id = $to_version_id),
frame_changes AS MATERIALIZED (
    SELECT
        coalesce(frames_to.frame_id, frames_from.frame_id) AS frame_id,
        frames_from.frame_key AS from_key,
        frames_to.frame_key AS to_key
    FROM (SELECT frames.* FROM frames JOIN (FROM keys_from ANTI JOIN keys_to USING (frame_key)) USING (frame_key))
        AS frames_from
    FULL JOIN (SELECT frames.* FROM frames JOIN (FROM keys_to ANTI JOIN keys_from USING (frame_key)) USING (frame_key))
        AS frames_to
        ON frames_to.frame_id = frames_from.frame_id
    WHERE frames_from.content_hash IS DISTINCT FROM frames_to.content_hash
),
changed_rois AS MATERIALIZED (
    SELECT
        frame_sides.to_key AS frame,
        frame_sides.is_after,
        rois.roi_index,
        CASE WHEN rois.roi_id IS NULL THEN frame_sides.is_after || ' ' || rois.roi_index ELSE '=' || rois.roi_id END
            AS id_key,
        CAST(json_array(rois.labels) AS VARCHAR) AS label_key,
        CAST(json_array(rois.mask_id, rois.mask_value, rois.sources, rois.poly, rois.rle) AS VARCHAR) AS place_key
    FROM (
        SELECT to_key, unnest([from_key, to_key]) AS frame_key, unnest([false, true]) AS is_after
        FROM frame_changes
        WHERE from_key IS NOT NULL AND to_key IS NOT NULL
    ) AS frame_sides
    JOIN rois ON rois.frame_key = frame_sides.frame_key
),
pairs_by_id AS (
    SELECT
        frame,
        min(roi_index) FILTER (NOT is_after) AS before_index,
        min(roi_index) FILTER (is_after) AS after_index,
        any_value(label_key) AS label_key,
        any_value(place_key) AS place_key,
        min(label_key) <> max(label_key) AS is_relabelled,
        min(place_key) <> max(place_key) AS is_moved
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame, is_after, id_key ORDER BY roi_index) AS candidate
        FROM changed_rois
    )
    GROUP BY frame, id_key, candidate
),
left_by_id AS (
    SELECT frame, after_index IS NOT NULL AS is_after, coalesce(after_index, before_index) AS roi_index, label_key, place_key
    FROM pairs_by_id
    WHERE before_index IS NULL OR after_index IS NULL
),
pairs_by_equality AS (
    SELECT
        frame,
        min(roi_index) FILTER (NOT is_after) AS before_index,
        min(roi_index) FILTER (is_after) AS after_index,
        any_value(label_key) AS label_key,
        any_value(place_key) AS place_key
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame, is_after, label_key, place_key ORDER BY roi_index) AS candidate
        FROM left_by_id
    )
    GROUP BY frame, label_key, place_key, candidate
),
left_by_equality AS (
    SELECT frame, after_index IS NOT NULL AS is_after, coalesce(after_index, before_index) AS roi_index, label_key, place_key
    FROM pairs_by_equality
    WHERE before_index IS NULL OR after_index IS NULL
),
pairs_by_place AS (
    SELECT
        frame,
        min(roi_index) FILTER (NOT is_after) AS before_index,
        min(roi_index) FILTER (is_after) AS after_index,
        any_value(label_key) AS label_key,
        any_value(place_key) AS place_key
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame, is_after, place_key ORDER BY roi_index) AS candidate
        FROM left_by_equality
    )
    GROUP BY frame, place_key, candidate
),
left_by_place AS (
    SELECT frame, after_index IS NOT NULL AS is_after, coalesce(after_index, before_index) AS roi_index, label_key, place_key
    FROM pairs_by_place
    WHERE before_index IS NULL OR after_index IS NULL
),
pairs_by_labels AS (
    SELECT
        frame,
        min(roi_index) FILTER (NOT is_after) AS before_index,
        min(roi_index) FILTER (is_after) AS after_index,
        any_value(label_key) AS label_key,
        any_value(place_key) AS place_key
    FROM (
        SELECT *, row_number() OVER (PARTITION BY frame, is_after, label_key ORDER BY roi_index) AS candidate
        FROM left_by_place
    )
    GROUP BY frame, label_key, candidate
),
roi_changes AS (
    SELECT 'relabelled' AS change, frame, before_index, after_index FROM pairs_by_id WHERE is_relabelled
    UNION ALL
    SELECT 'moved', frame, before_index, after_index FROM pairs_by_id WHERE is_moved
    UNION ALL
    SELECT 'relabelled', frame, before_index, after_index
    FROM pairs_by_place
    WHERE before_index IS NOT NULL AND after_index IS NOT NULL
    UNION ALL
    SELECT
        CASE WHEN before_index IS NULL THEN 'added' WHEN after_index IS NULL THEN 'removed' ELSE 'moved' END,
        frame,
        before_index,
        after_index
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
    roi_changes.change,
    frame_changes.frame_id,
    coalesce(roi_changes.after_index, roi_changes.before_index),
    CASE WHEN roi_changes.after_index IS NULL THEN before.mask_id ELSE after.mask_id END,
    CASE WHEN roi_changes.after_index IS NULL THEN before.mask_value ELSE after.mask_value END,
    CASE
        WHEN roi_changes.before_index IS NOT NULL
        THEN json_object('labels', before.labels, 'mask_id', before.mask_id, 'value', before.mask_value)
    END,
    CASE
        WHEN roi_changes.after_index IS NOT NULL
        THEN json_object('labels', after.labels, 'mask_id', after.mask_id, 'value', after.mask_value)
    END
FROM roi_changes
JOIN frame_changes ON frame_changes.to_key = roi_changes.frame
LEFT JOIN rois AS before
    ON before.frame_key = frame_changes.from_key AND before.roi_index = roi_changes.before_index
LEFT JOIN rois AS after ON after.frame_key = frame_changes.to_key AND after.roi_index = roi_changes.after_index
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
