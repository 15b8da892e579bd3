-- One row per row of mask_segments, with the pixels of its value: area NULL = not analysed or unreadable,
-- 0 = analysed and absent. coverage is 0..1; bbox and centroid are in pixels.
CREATE OR REPLACE VIEW mask_segment_regions AS
SELECT
    mask_segments.*,
    CASE WHEN found.pixels IS NOT NULL THEN coalesce(found.area, 0) END AS area,
    CASE WHEN found.pixels IS NOT NULL THEN coalesce(found.area, 0) / found.pixels END AS coverage,
    CASE
        WHEN found.area > 0
        THEN struct_pack(
            x := found.x_min,
            y := found.y_min,
            width := found.x_max - found.x_min + 1,
            height := found.y_max - found.y_min + 1
        )
    END AS bbox,
    CASE WHEN found.area > 0 THEN struct_pack(x := found.sum_x / found.area, y := found.sum_y / found.area) END
        AS centroid
FROM mask_segments
LEFT JOIN (
    SELECT
        mask_files.uri,
        mask_files."timestamp",
        wanted."value",
        min(CAST(mask_files.height AS BIGINT) * mask_files.width) AS pixels,
        CAST(sum(mask_regions.area) AS BIGINT) AS area,
        min(mask_regions.x_min) AS x_min,
        min(mask_regions.y_min) AS y_min,
        max(mask_regions.x_max) AS x_max,
        max(mask_regions.y_max) AS y_max,
        sum(mask_regions.sum_x) AS sum_x,
        sum(mask_regions.sum_y) AS sum_y
    FROM mask_files
    CROSS JOIN (SELECT DISTINCT "value" FROM mask_labels) AS wanted
    LEFT JOIN mask_regions
        ON mask_regions.mask_file_key = mask_files.mask_file_key
        AND region_has_value(
            wanted."value",
            mask_regions.sample,
            mask_regions.red,
            mask_regions.green,
            mask_regions.blue,
            mask_regions.alpha
        )
    WHERE mask_files.error IS NULL
    GROUP BY ALL
) AS found
    ON found.uri = mask_segments.mask_uri
    AND found."value" = mask_segments."value"
    AND coalesce(found."timestamp" = mask_segments.mask."timestamp", found."timestamp" IS NULL);
