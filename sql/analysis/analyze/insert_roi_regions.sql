-- The regions in the Arrow table new_regions.
INSERT INTO roi_regions
SELECT frame_key, roi_index, height, width, area, x_min, y_min, x_max, y_max, sum_x, sum_y
FROM new_regions;
