-- One row per row of mask_segments, with the pixels of its value. area is NULL where the mask is not analysed or unreadable,
-- 0 where no pixel has the value. coverage is 0..1; bbox and centroid are in pixels.
CREATE OR REPLACE VIEW mask_segment_regions AS
SELECT
    mask_segments.*,
    CASE WHEN mask_files.height > 0 THEN coalesce(regions.area, 0) END AS area,
    coalesce(regions.area, 0) / (CAST(mask_files.height AS BIGINT) * mask_files.width) AS coverage,
    regions.bbox,
    regions.centroid
FROM mask_segments
LEFT JOIN mask_files
    ON same_mask(mask_files.uri, mask_files."timestamp", mask_segments.mask_uri, mask_segments.mask."timestamp")
    -- Masks in colour and videos have no single sample to compare one integer with.
    AND (len(mask_segments."value") > 1 OR (mask_files.mode NOT LIKE 'rgb%' AND mask_files.mode NOT LIKE 'grey_alpha%' AND NOT mask_files.is_video))
LEFT JOIN mask_region_values() AS regions
    ON regions.mask_file_key = mask_files.mask_file_key AND regions."value" = mask_segments."value";
