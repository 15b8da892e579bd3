-- Deletes the rows of mask_pairs and mask_pair_values for the pairs of mask images in the Arrow table new_pairs, and makes the
-- table pair_keys, with a new key for each.
CREATE OR REPLACE TEMP TABLE old_pairs AS
SELECT mask_pairs.mask_pair_key
FROM mask_pairs
JOIN new_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, new_pairs.uri_a, new_pairs.timestamp_a)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, new_pairs.uri_b, new_pairs.timestamp_b);
DELETE FROM mask_pair_values WHERE mask_pair_key IN (SELECT mask_pair_key FROM old_pairs);
DELETE FROM mask_pairs WHERE mask_pair_key IN (SELECT mask_pair_key FROM old_pairs);
DROP TABLE old_pairs;
CREATE OR REPLACE TEMP TABLE pair_keys AS SELECT place, nextval('mask_pair_keys') AS mask_pair_key FROM new_pairs;
