-- The mask images in the Arrow table new_files, in its order from key $first_key on.
INSERT INTO mask_files
SELECT
    $first_key + place,
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
    epoch_ms(epoch_ms(now()))
FROM new_files;
