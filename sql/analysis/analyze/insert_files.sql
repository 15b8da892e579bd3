-- The mask images in the Arrow table new_files, in its order from key $first_key on; their regions are there.
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
    CASE WHEN error IS NOT NULL THEN analyzed_at END AS failed_at,
    mask_facts_hash(
        hashes.regions_hash,
        content_type,
        height,
        width,
        mode,
        is_video,
        is_lossy,
        pixel_hash,
        unassigned
    ) AS facts_hash
FROM new_files
LEFT JOIN mask_region_hashes($first_key) AS hashes ON hashes.mask_file_key = $first_key + new_files.place;
