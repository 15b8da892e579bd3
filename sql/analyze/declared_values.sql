-- One row per mask image of $uris and $timestamps (lists of equal length, -1 for no timestamp) and value that a ROI or a
-- version's mask_labels declare for it, in any version: uri, timestamp (-1 for none), value; the first declared first.
WITH wanted AS (SELECT unnest($uris) AS uri, unnest($timestamps) AS "timestamp")
SELECT uri, "timestamp", "value"
FROM (
    SELECT wanted.uri, wanted."timestamp", mask_rois.mask_value AS "value", 0 AS origin, mask_rois.roi_index AS place
    FROM wanted
    JOIN mask_rois
        ON mask_rois.mask_uri = wanted.uri AND coalesce(mask_rois.mask."timestamp", -1) = wanted."timestamp"
    WHERE mask_rois.mask_value IS NOT NULL
    UNION ALL
    SELECT wanted.uri, wanted."timestamp", mask_segments."value", 1, 0
    FROM wanted
    JOIN mask_segments
        ON mask_segments.mask_uri = wanted.uri AND coalesce(mask_segments.mask."timestamp", -1) = wanted."timestamp"
)
GROUP BY uri, "timestamp", "value"
ORDER BY uri, "timestamp", min(origin), min(place), "value";
