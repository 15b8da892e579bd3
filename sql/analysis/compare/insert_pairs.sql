-- The pairs of mask images in the Arrow table new_pairs, with their keys in pair_keys.
INSERT INTO mask_pairs
SELECT
    pair_keys.mask_pair_key,
    new_pairs.uri_a,
    new_pairs.timestamp_a,
    new_pairs.fingerprint_a,
    new_pairs.uri_b,
    new_pairs.timestamp_b,
    new_pairs.fingerprint_b,
    new_pairs.height,
    new_pairs.width,
    new_pairs.error,
    epoch_ms(epoch_ms(now()))
FROM new_pairs
JOIN pair_keys ON pair_keys.place = new_pairs.place
ORDER BY pair_keys.mask_pair_key;
