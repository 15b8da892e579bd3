-- The regions in the Arrow table new_regions, of the mask images from key $first_key on.
INSERT INTO mask_regions
SELECT
    $first_key + place,
    region_index,
    sample,
    red,
    green,
    blue,
    alpha,
    area,
    x_min,
    y_min,
    x_max,
    y_max,
    sum_x,
    sum_y,
    rle
FROM new_regions;
