-- One row per pair of mask images in the Arrow table pairs_to_compare that is in mask_pairs: place, fingerprint_a, fingerprint_b.
SELECT pairs_to_compare.place, mask_pairs.fingerprint_a, mask_pairs.fingerprint_b
FROM pairs_to_compare
JOIN mask_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, pairs_to_compare.uri_a, pairs_to_compare.timestamp_a)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, pairs_to_compare.uri_b, pairs_to_compare.timestamp_b);
