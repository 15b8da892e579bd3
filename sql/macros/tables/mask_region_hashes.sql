-- One row per analysed mask image with regions, from key first_key on: the hash of its rows in mask_regions.
CREATE OR REPLACE MACRO mask_region_hashes(first_key) AS TABLE
SELECT
    mask_file_key,
    CAST(sum(md5_number_lower(concat_ws(
        ',',
        region_index,
        coalesce(sample, -1),
        red,
        green,
        blue,
        coalesce(alpha, -1),
        area,
        x_min,
        y_min,
        x_max,
        y_max,
        sum_x,
        sum_y,
        coalesce(rle, '')
    ))) AS VARCHAR) AS regions_hash
FROM mask_regions
WHERE mask_file_key >= first_key
GROUP BY mask_file_key;
