-- One row per two mask images of the Arrow table wanted_pairs that were compared before: place, fingerprint_a, fingerprint_b.
SELECT wanted_pairs.place, mask_pairs.fingerprint_a, mask_pairs.fingerprint_b
FROM wanted_pairs
JOIN mask_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, wanted_pairs.uri_a, wanted_pairs.timestamp_a)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, wanted_pairs.uri_b, wanted_pairs.timestamp_b);
