-- One row per row of mask_segments, with the pixels of its value: area NULL = not analysed or unreadable,
-- 0 = analysed and absent. coverage is 0..1; bbox and centroid are in pixels.
CREATE OR REPLACE VIEW mask_segment_regions AS
SELECT
    mask_segments.*,
    CASE WHEN mask_files.height > 0 THEN coalesce(found.area, 0) END AS area,
    coalesce(found.area, 0) / (CAST(mask_files.height AS BIGINT) * mask_files.width) AS coverage,
    found.bbox,
    found.centroid
FROM mask_segments
LEFT JOIN mask_files
    ON same_mask(mask_files.uri, mask_files."timestamp", mask_segments.mask_uri, mask_segments.mask."timestamp")
    AND mask_files.error IS NULL
    -- A colour or a video has no single sample that one integer could stand for.
    AND (len(mask_segments."value") > 1 OR (mask_files.mode NOT LIKE 'rgb%' AND mask_files.mode NOT LIKE 'grey_alpha%' AND NOT mask_files.is_video))
LEFT JOIN mask_region_values() AS found
    ON found.mask_file_key = mask_files.mask_file_key AND found."value" = mask_segments."value";
