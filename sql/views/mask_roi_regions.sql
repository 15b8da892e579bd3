-- One row per row of mask_rois, with the pixels of its value, or without one of the ROI's own rle or poly. area is NULL where the
-- mask is not analysed or unreadable, 0 where no pixel has the value. coverage is 0..1; bbox and centroid are in pixels.
CREATE OR REPLACE VIEW mask_roi_regions AS
SELECT
    mask_rois.*,
    CASE WHEN mask_rois.mask_value IS NULL THEN own.area WHEN mask_files.height > 0 THEN coalesce(regions.area, 0) END
        AS area,
    CASE
        WHEN mask_rois.mask_value IS NULL THEN own.area / (CAST(own.height AS BIGINT) * own.width)
        WHEN mask_files.height > 0
        THEN coalesce(regions.area, 0) / (CAST(mask_files.height AS BIGINT) * mask_files.width)
    END AS coverage,
    CASE WHEN mask_rois.mask_value IS NULL THEN own.bbox ELSE regions.bbox END AS bbox,
    CASE WHEN mask_rois.mask_value IS NULL THEN own.centroid ELSE regions.centroid END AS centroid
FROM mask_rois
LEFT JOIN mask_files
    ON same_mask(mask_files.uri, mask_files."timestamp", mask_rois.mask_uri, mask_rois.mask."timestamp")
    -- Masks in colour and videos have no single sample to compare one integer with.
    AND (len(mask_rois.mask_value) > 1 OR (mask_files.mode NOT LIKE 'rgb%' AND mask_files.mode NOT LIKE 'grey_alpha%' AND NOT mask_files.is_video))
LEFT JOIN mask_region_values() AS regions
    ON regions.mask_file_key = mask_files.mask_file_key AND regions."value" = mask_rois.mask_value
LEFT JOIN (
    SELECT
        frame_key,
        roi_index,
        area,
        height,
        width,
        CASE WHEN area > 0 THEN struct_pack(x := x_min, y := y_min, width := x_max - x_min + 1, height := y_max - y_min + 1) END
            AS bbox,
        CASE WHEN area > 0 THEN struct_pack(x := sum_x / area, y := sum_y / area) END AS centroid
    FROM roi_regions
) AS own
    ON own.frame_key = mask_rois.frame_key AND own.roi_index = mask_rois.roi_index;
