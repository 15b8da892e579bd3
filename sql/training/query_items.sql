-- One row per image in `query_rows`, the result of a user's query with one row per region, with the columns of
-- view_items; images are in the order of their first rows, regions in the order of theirs.
SELECT
    dataset,
    version,
    frame_id,
    source_id,
    source_uri,
    source_timestamp,
    max(width) AS width,
    max(height) AS height,
    coalesce(flatten(list(labels ORDER BY place) FILTER (labels IS NOT NULL)), []) AS labels,
    list(
        struct_pack(
            mask := struct_pack(uri := mask.uri, "timestamp" := mask."timestamp"),
            mask_value := mask_value,
            class := class,
            rle := rle,
            poly := poly
        )
        ORDER BY place
    ) AS regions
FROM query_rows
GROUP BY ALL
ORDER BY min(place)
