-- One row per source of a frame in `rows`, as a data loader reads it: place and source_index, its names,
-- source_uri, the labels of its ROIs, and its regions in the order they are painted: those of mask_labels, then
-- those of ROIs. With $mask only regions in masks of that id. ROIs with labels alone have no region.
WITH regions AS (
    SELECT
        place,
        source_index,
        0 AS layer,
        segment.mask_index AS region_index,
        segment.mask_id,
        list_filter(masks, lambda item: item.mask_index = segment.mask_index)[1].mask AS mask,
        segment.mask_value,
        segment.class_number,
        CAST(NULL AS STRUCT(size INTEGER[], counts VARCHAR)) AS rle,
        CAST(NULL AS DOUBLE[]) AS poly
    FROM (SELECT place, source_index, masks, unnest(segments) AS segment FROM rows)
    UNION ALL
    SELECT
        place,
        source_index,
        1,
        roi.roi_index,
        roi.mask_id,
        list_filter(masks, lambda item: item.mask_index = roi.mask_index)[1].mask,
        roi.mask_value,
        roi.class_number,
        roi.rle,
        roi.poly
    FROM (SELECT place, source_index, frame_key, masks, unnest(rois) AS roi FROM rows) AS listed
    JOIN rois ON rois.frame_key = listed.frame_key AND rois.roi_index = roi.roi_index
    WHERE rois.kind IN ('mask', 'rle', 'poly')
),
lists AS (
    SELECT
        place,
        source_index,
        list(
            struct_pack(
                mask := struct_pack(uri := mask.uri, "timestamp" := mask."timestamp"),
                mask_value := mask_value,
                class := class_number,
                rle := rle,
                poly := poly
            )
            ORDER BY layer, region_index, mask_value
        ) AS regions
    FROM regions
    WHERE $mask IS NULL OR mask_id = $mask
    GROUP BY ALL
)
SELECT
    rows.place,
    rows.source_index,
    rows.dataset,
    rows.version,
    rows.frame_id,
    rows.source_id,
    rows.source_uri,
    rows.source_timestamp,
    rows.width,
    rows.height,
    flatten(list_transform(rows.rois, lambda roi: coalesce(roi.class_labels, []))) AS labels,
    coalesce(lists.regions, []) AS regions
FROM rows
LEFT JOIN lists ON lists.place = rows.place AND lists.source_index = rows.source_index
WHERE rows.source_index IS NOT NULL
