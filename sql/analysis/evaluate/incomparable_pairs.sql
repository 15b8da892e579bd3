-- One row per row of the table pairs whose masks could not be compared, in their order: place, frame_id, error, and whether it is
-- only that their sizes differ (is_size).
SELECT
    pairs.place,
    pairs.frame_id,
    mask_pairs.error,
    mask_pairs.fingerprint_a IS NOT NULL AND mask_pairs.fingerprint_b IS NOT NULL AND mask_pairs.height IS NULL AS is_size
FROM pairs
JOIN mask_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, pairs.uri, pairs.mask_timestamp)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, pairs.compared_uri, pairs.compared_timestamp)
WHERE mask_pairs.error IS NOT NULL
ORDER BY pairs.place;
