-- One row per analysed mask image and value that some of its pixels have: each stored value as 1, 3 and 4 integers, and
-- each declared value with -1 that matches one. bbox and centroid are in pixels.
CREATE OR REPLACE MACRO mask_region_values() AS TABLE
SELECT
    mask_file_key,
    "value",
    CAST(sum(area) AS BIGINT) AS area,
    struct_pack(
        x := min(x_min),
        y := min(y_min),
        width := max(x_max) - min(x_min) + 1,
        height := max(y_max) - min(y_min) + 1
    ) AS bbox,
    struct_pack(x := sum(sum_x) / sum(area), y := sum(sum_y) / sum(area)) AS centroid
FROM (
    SELECT
        mask_file_key,
        unnest([[sample], [red, green, blue], [red, green, blue, alpha]]) AS "value",
        area,
        x_min,
        y_min,
        x_max,
        y_max,
        sum_x,
        sum_y
    FROM mask_regions
    UNION ALL
    SELECT
        mask_regions.mask_file_key,
        patterns."value",
        mask_regions.area,
        mask_regions.x_min,
        mask_regions.y_min,
        mask_regions.x_max,
        mask_regions.y_max,
        mask_regions.sum_x,
        mask_regions.sum_y
    FROM (
        SELECT mask_value AS "value" FROM roi_masks WHERE list_contains(mask_value, -1)
        UNION
        -- The view mask_labels would do, at twice the planning time.
        SELECT "value"
        FROM (
            SELECT TRY_CAST(unnest(json_extract(metadata, '$.mask_labels..value')) AS INTEGER[]) AS "value" FROM versions
        )
        WHERE list_contains("value", -1)
    ) AS patterns
    -- In a lossy file each region is that of one declared value, with or without -1: those rows are above already.
    JOIN mask_files ON NOT coalesce(mask_files.is_lossy, false)
    JOIN mask_regions
        ON mask_regions.mask_file_key = mask_files.mask_file_key
        AND value_matches(
            patterns."value",
            mask_regions.sample,
            mask_regions.red,
            mask_regions.green,
            mask_regions.blue,
            mask_regions.alpha
        )
)
GROUP BY ALL;
