-- One row per row of mask_rois, with the pixels of its value: area NULL = not analysed or unreadable,
-- 0 = analysed and absent. coverage is 0..1; bbox and centroid are in pixels.
CREATE OR REPLACE VIEW mask_roi_regions AS
SELECT
    mask_rois.*,
    CASE WHEN found.has_value THEN coalesce(found.area, 0) END AS area,
    CASE WHEN found.has_value THEN coalesce(found.area, 0) / found.pixels END AS coverage,
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
FROM mask_rois
LEFT JOIN (
    SELECT
        roi_masks.frame_key,
        roi_masks.roi_index,
        roi_masks.source_index,
        roi_masks.mask_index,
        min(roi_masks.mask_value) IS NOT NULL AS has_value,
        min(CAST(mask_files.height AS BIGINT) * mask_files.width) AS pixels,
        CAST(sum(mask_regions.area) AS BIGINT) AS area,
        min(mask_regions.x_min) AS x_min,
        min(mask_regions.y_min) AS y_min,
        max(mask_regions.x_max) AS x_max,
        max(mask_regions.y_max) AS y_max,
        sum(mask_regions.sum_x) AS sum_x,
        sum(mask_regions.sum_y) AS sum_y
    FROM roi_masks
    JOIN frames ON frames.frame_key = roi_masks.frame_key
    JOIN inputs ON inputs.input_id = frames.input_id
    JOIN mask_files
        ON mask_files.uri = resolve_uri(inputs.media_root, roi_masks.uri)
        AND coalesce(mask_files."timestamp" = roi_masks."timestamp", mask_files."timestamp" IS NULL)
        AND mask_files.error IS NULL
    LEFT JOIN mask_regions
        ON mask_regions.mask_file_key = mask_files.mask_file_key
        AND region_has_value(
            roi_masks.mask_value,
            mask_regions.sample,
            mask_regions.red,
            mask_regions.green,
            mask_regions.blue,
            mask_regions.alpha
        )
    GROUP BY ALL
) AS found
    ON found.frame_key = mask_rois.frame_key
    AND found.roi_index = mask_rois.roi_index
    AND found.source_index = mask_rois.source_index
    AND found.mask_index = mask_rois.mask_index;
