-- One row per source of a frame in `selected`, in order: the frame, the source, its masks, ROIs and declared pixel
-- values. A frame without sources has one row too. Labels are mapped; class_number is the number of the labels,
-- else -1.
WITH mask_lists AS (
    SELECT
        shown.version_id,
        shown.frame_key,
        masks.source_index,
        list(
            struct_pack(
                mask_index := masks.mask_index,
                mask_id := masks.mask_id,
                mask := struct_pack(
                    uri := resolve_uri(shown.media_root, masks.uri),
                    content_type := masks.content_type,
                    "timestamp" := masks."timestamp"
                )
            )
            ORDER BY masks.mask_index
        ) AS masks
    FROM shown
    JOIN masks ON masks.frame_key = shown.frame_key
    GROUP BY ALL
),
roi_lists AS (
    SELECT
        shown.version_id,
        shown.frame_key,
        roi_masks.source_index,
        list_sort(list(
            struct_pack(
                roi_index := roi_masks.roi_index,
                mask_index := roi_masks.mask_index,
                roi_id := rois.roi_id,
                labels := own_labels.mapped,
                class_labels := class_labels.mapped,
                class_number := coalesce(class_labels.number, -1),
                mask_id := roi_masks.mask_id,
                mask_value := roi_masks.mask_value,
                confidence := roi_masks.confidence,
                is_crowd := rois.is_crowd,
                rle := rois.rle,
                poly := rois.poly
            )
        )) AS rois
    FROM shown
    JOIN roi_masks ON roi_masks.frame_key = shown.frame_key
    JOIN rois ON rois.frame_key = roi_masks.frame_key AND rois.roi_index = roi_masks.roi_index
    LEFT JOIN mapped_labels AS own_labels
        ON own_labels.version_id = shown.version_id AND own_labels.labels = roi_masks.labels
    LEFT JOIN mapped_labels AS class_labels
        ON class_labels.version_id = shown.version_id AND class_labels.labels = roi_masks.class_labels
    GROUP BY ALL
),
segment_lists AS (
    SELECT
        segments.version_id,
        segments.frame_key,
        segments.source_index,
        list(
            struct_pack(
                mask_index := segments.mask_index,
                mask_id := segments.mask_id,
                mask_value := segments."value",
                labels := mapped_labels.mapped,
                class_number := coalesce(mapped_labels.number, -1)
            )
            ORDER BY segments.mask_index, segments."value"
        ) AS segments
    FROM segments
    LEFT JOIN mapped_labels
        ON mapped_labels.version_id = segments.version_id AND mapped_labels.labels = segments.labels
    GROUP BY ALL
)
SELECT
    selected.place,
    selected.query_index,
    selected.dataset,
    selected.version,
    selected.version_id,
    selected.frame_key,
    selected.frame_id,
    selected.context_id,
    selected."timestamp",
    sources.source_index,
    sources.source_id,
    resolve_uri(selected.media_root, sources.uri) AS source_uri,
    sources.content_type,
    sources."timestamp" AS source_timestamp,
    sources.width,
    sources.height,
    coalesce(mask_lists.masks, []) AS masks,
    coalesce(roi_lists.rois, []) AS rois,
    coalesce(segment_lists.segments, []) AS segments
FROM selected
LEFT JOIN sources ON sources.frame_key = selected.frame_key
LEFT JOIN mask_lists
    ON mask_lists.version_id = selected.version_id
    AND mask_lists.frame_key = selected.frame_key
    AND mask_lists.source_index = sources.source_index
LEFT JOIN roi_lists
    ON roi_lists.version_id = selected.version_id
    AND roi_lists.frame_key = selected.frame_key
    AND coalesce(roi_lists.source_index, -1) = coalesce(sources.source_index, -1)
LEFT JOIN segment_lists
    ON segment_lists.version_id = selected.version_id
    AND segment_lists.frame_key = selected.frame_key
    AND segment_lists.source_index = sources.source_index
ORDER BY selected.place, sources.source_index
