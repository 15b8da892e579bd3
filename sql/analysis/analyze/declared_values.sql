-- One row per mask image of $uris and $timestamps (lists of equal length, NULL for no timestamp) and value that a ROI or a
-- version's mask_labels declare for it, in any version: uri, timestamp, value; the first declared first.
WITH images AS (SELECT unnest($uris) AS uri, unnest(CAST($timestamps AS BIGINT[])) AS "timestamp"),
labelled AS (
    SELECT version_id, TRY_CAST("value" AS INTEGER[]) AS "value", min(place) AS place
    FROM (
        SELECT version_id, unnest("values") AS "value", generate_subscripts("values", 1) AS place
        FROM (SELECT version_id, json_extract(metadata, '$.mask_labels..value') AS "values" FROM versions)
    )
    GROUP BY ALL
)
SELECT uri, "timestamp", "value"
FROM (
    SELECT images.uri, images."timestamp", mask_rois.mask_value AS "value", [0, mask_rois.roi_index] AS place
    FROM images
    JOIN mask_rois
        ON same_mask(mask_rois.mask_uri, mask_rois.mask."timestamp", images.uri, images."timestamp")
    WHERE mask_rois.mask_value IS NOT NULL
    UNION ALL
    SELECT images.uri, images."timestamp", mask_segments."value", [1, labelled.place]
    FROM images
    JOIN mask_segments
        ON same_mask(mask_segments.mask_uri, mask_segments.mask."timestamp", images.uri, images."timestamp")
    JOIN labelled
        ON labelled.version_id = mask_segments.version_id AND labelled."value" = mask_segments."value"
)
GROUP BY uri, "timestamp", "value"
ORDER BY uri, "timestamp", min(place), "value";
