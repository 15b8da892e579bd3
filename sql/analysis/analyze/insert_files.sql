-- The mask images in the Arrow table new_files, in its order from key $first_key on.
INSERT INTO mask_files BY NAME
SELECT
    $first_key + place AS mask_file_key,
    uri,
    "timestamp",
    snap_key,
    content_type,
    height,
    width,
    mode,
    is_video,
    is_lossy,
    fingerprint,
    pixel_hash,
    unassigned,
    error,
    epoch_ms(epoch_ms(now())) AS analyzed_at,
    CASE WHEN error IS NOT NULL THEN analyzed_at END AS failed_at
FROM new_files;
