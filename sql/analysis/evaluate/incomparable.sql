-- One row per mask that could not be compared with its prediction, in their order: place, frame_id, error, and whether it is
-- only that their sizes differ (is_size).
SELECT
    paired.place,
    paired.frame_id,
    mask_pairs.error,
    mask_pairs.fingerprint_a IS NOT NULL AND mask_pairs.fingerprint_b IS NOT NULL AND mask_pairs.height IS NULL AS is_size
FROM paired
JOIN mask_pairs
    ON mask_pairs.uri_a = paired.uri
    AND coalesce(mask_pairs.timestamp_a, -1) = coalesce(paired.mask_timestamp, -1)
    AND mask_pairs.uri_b = coalesce(paired.prediction_uri, paired.uri)
    AND coalesce(mask_pairs.timestamp_b, -1)
        = coalesce(CASE WHEN paired.prediction_uri IS NULL THEN paired.mask_timestamp ELSE paired.prediction_timestamp END, -1)
WHERE mask_pairs.error IS NOT NULL
ORDER BY paired.place;
