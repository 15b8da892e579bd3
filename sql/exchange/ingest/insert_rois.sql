-- Insert one row per ROI of the new and updated frames.
INSERT INTO rois
WITH objects AS (
    SELECT
        incoming.frame_key,
        generate_subscripts(staged.rois, 1) - 1 AS roi_index,
        unnest(staged.rois) AS roi
    FROM staged
    JOIN incoming ON incoming.record = staged.rowid
    WHERE incoming.outcome <> 'unchanged'
),
parsed AS (
    SELECT
        *,
        from_json(
            roi,
            '{"id": "JSON", "label": "JSON", "labels": "JSON", "sources": "JSON", "confidence": "JSON",
              "poly": "JSON", "rle": "JSON", "is_crowd": "JSON", "meta": "JSON",
              "mask": {"id": "JSON", "value": "JSON"}}'
        ) AS leaf
    FROM objects
),
cast_values AS (
    SELECT
        frame_key,
        roi_index,
        roi,
        leaf,
        TRY_CAST(leaf.label AS VARCHAR[]) AS label,
        TRY_CAST(leaf.labels AS VARCHAR[]) AS labels,
        TRY_CAST(leaf.sources AS VARCHAR[]) AS sources,
        TRY_CAST(leaf.mask."value" AS INTEGER[]) AS mask_value,
        TRY_CAST(CAST(leaf.confidence AS VARCHAR) AS DOUBLE) AS confidence,
        CASE WHEN all_numbers(leaf.poly) THEN TRY_CAST(leaf.poly AS DOUBLE[]) END AS poly,
        CASE
            WHEN json_type(leaf.rle, '$.counts') = 'VARCHAR' AND all_numbers(json_extract(leaf.rle, '$.size'))
            THEN TRY_CAST(leaf.rle AS STRUCT(size INTEGER[], counts VARCHAR))
        END AS rle
    FROM parsed
),
-- A value that its column does not accept is NULL from here on, so that extra keeps it; faults.sql checks extra.
typed AS (
    SELECT
        * EXCLUDE (mask_value, confidence, poly, rle),
        CASE
            WHEN len(mask_value) IN (1, 3, 4)
                AND mask_value[1] BETWEEN -1 AND 65535
                AND (
                    len(mask_value) = 1
                    OR mask_value[2] BETWEEN -1 AND 65535 AND mask_value[3] BETWEEN -1 AND 65535
                )
                AND (len(mask_value) < 4 OR mask_value[4] BETWEEN -1 AND 65535)
            THEN mask_value
        END AS mask_value,
        CASE WHEN isfinite(confidence) THEN confidence END AS confidence,
        CASE WHEN isfinite(list_sum(poly)) OR len(poly) = 0 THEN poly END AS poly,
        CASE
            WHEN list_count(rle.size) = 2
                AND len(rle.size) = 2
                AND list_min(rle.size) > 0
                AND CAST(rle.size AS DOUBLE[]) = TRY_CAST(json_extract(leaf.rle, '$.size') AS DOUBLE[])
            THEN rle
        END AS rle
    FROM cast_values
),
compared AS (
    SELECT
        *,
        starts_with(CAST(leaf.id AS VARCHAR), '"') AS id_kept,
        to_json(label) = leaf.label AND list_count(label) = len(label) AS label_kept,
        to_json(labels) = leaf.labels AND list_count(labels) = len(labels) AS labels_kept,
        to_json(sources) = leaf.sources AND list_count(sources) = len(sources) AS sources_kept,
        to_json(confidence) = leaf.confidence AS confidence_kept,
        to_json(poly) = leaf.poly AS poly_kept,
        rle IS NOT NULL AND to_json(rle) = leaf.rle AS rle_kept,
        leaf.is_crowd IN ('true', 'false') AS is_crowd_kept,
        starts_with(CAST(leaf.mask.id AS VARCHAR), '"') AS mask_id_kept,
        to_json(mask_value) = leaf.mask."value" AS mask_value_kept
    FROM typed
),
judged AS (
    SELECT
        *,
        coalesce(mask_id_kept::INTEGER, 0) + coalesce(mask_value_kept::INTEGER, 0) AS mask_keys_kept,
        text_list(label, label_kept, leaf.label) AS label_texts,
        text_list(labels, labels_kept, leaf.labels) AS labels_texts,
        -- One call, for each parses the text: the keys of the ROI, and those of its mask.
        json_keys(roi, ['$', '$.mask']) AS key_lists,
        len(key_lists[2]) AS mask_keys
    FROM compared
)
SELECT
    frame_key,
    roi_index,
    text_or_number(leaf.id),
    CASE
        WHEN mask_keys > 0 THEN 'mask'
        WHEN leaf.rle IS NOT NULL THEN 'rle'
        WHEN leaf.poly IS NOT NULL THEN 'poly'
        WHEN list_has_any(
            key_lists[1],
            ['ellipse2d_xyrrt', 'points2d_xy', 'points3d_xyz', 'poly3d_xyz', 'box3d_xyzwhxyzwh']
        )
        THEN 'shape'
        ELSE 'label'
    END,
    CASE
        WHEN leaf.labels IS NULL THEN label_texts
        WHEN leaf.label IS NULL THEN labels_texts
        -- Both: the labels of the one, then those that only the other has; NULL if either is not accepted.
        WHEN label_texts IS NOT NULL AND labels_texts IS NOT NULL
        THEN label_texts || list_filter(labels_texts, lambda name: NOT list_contains(label_texts, name))
    END,
    text_list(sources, sources_kept, leaf.sources),
    text_or_number(leaf.mask.id),
    CASE
        WHEN mask_value_kept
            OR all_numbers(leaf.mask."value")
            AND TRY_CAST(leaf.mask."value" AS DOUBLE[]) = CAST(mask_value AS DOUBLE[])
        THEN mask_value
    END,
    confidence,
    poly,
    rle,
    CASE WHEN leaf.is_crowd IN ('true', 'false', '0', '1') THEN leaf.is_crowd IN ('true', '1') END,
    leaf.meta,
    CASE
        WHEN len(key_lists[1]) = 0
            + coalesce(id_kept::INTEGER, 0)
            + coalesce((label_kept AND leaf.labels IS NULL)::INTEGER, 0)
            + coalesce(sources_kept::INTEGER, 0)
            + coalesce(confidence_kept::INTEGER, 0)
            + coalesce(poly_kept::INTEGER, 0)
            + coalesce(rle_kept::INTEGER, 0)
            + coalesce(is_crowd_kept::INTEGER, 0)
            + (leaf.meta IS NOT NULL)::INTEGER
            + (mask_keys > 0)::INTEGER
            AND mask_keys = mask_keys_kept
            AND starts_with(CAST(roi AS VARCHAR), '{')
        THEN NULL
        WHEN starts_with(CAST(roi AS VARCHAR), '{')
        THEN with_member(
            without_keys(roi, [
                CASE WHEN id_kept THEN 'id' END,
                CASE WHEN label_kept AND leaf.labels IS NULL THEN 'label' END,
                CASE WHEN sources_kept THEN 'sources' END,
                CASE WHEN confidence_kept THEN 'confidence' END,
                CASE WHEN poly_kept THEN 'poly' END,
                CASE WHEN rle_kept THEN 'rle' END,
                CASE WHEN is_crowd_kept THEN 'is_crowd' END,
                CASE WHEN leaf.meta IS NOT NULL THEN 'meta' END,
                CASE WHEN mask_keys > 0 THEN 'mask' END
            ]),
            'mask',
            CASE
                WHEN mask_keys > mask_keys_kept
                THEN without_keys(
                    json_extract(roi, '$.mask'),
                    [CASE WHEN mask_id_kept THEN 'id' END, CASE WHEN mask_value_kept THEN 'value' END]
                )
            END
        )
        ELSE coalesce(roi, 'null')
    END
FROM judged;
