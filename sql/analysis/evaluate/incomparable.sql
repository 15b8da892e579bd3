-- One row per mask that could not be compared with its prediction, in their order: place, frame_id, error, and whether it is
-- only that their sizes differ (is_size).
SELECT
    paired.place,
    paired.frame_id,
    mask_pairs.error,
    mask_pairs.fingerprint_a IS NOT NULL AND mask_pairs.fingerprint_b IS NOT NULL AND mask_pairs.height IS NULL AS is_size
FROM paired
JOIN mask_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, paired.uri, paired.mask_timestamp)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, paired.compared_uri, paired.compared_timestamp)
WHERE mask_pairs.error IS NOT NULL
ORDER BY paired.place;
