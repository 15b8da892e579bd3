-- One row, check_settings: $small_region, $split_key and $near_iou, where they are not NULL.
UPDATE check_settings
SET
    small_region = coalesce($small_region, small_region),
    split_key = coalesce($split_key, split_key),
    near_iou = coalesce($near_iou, near_iou);
