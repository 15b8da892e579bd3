-- Forgets what is known of the pairs of mask images in the Arrow table new_pairs, and gives each a key.
CREATE OR REPLACE TEMP TABLE old_pairs AS
SELECT mask_pairs.mask_pair_key
FROM mask_pairs
JOIN new_pairs
    ON mask_pairs.uri_a = new_pairs.uri_a
    AND mask_pairs.uri_b = new_pairs.uri_b
    AND coalesce(mask_pairs.timestamp_a, -1) = coalesce(new_pairs.timestamp_a, -1)
    AND coalesce(mask_pairs.timestamp_b, -1) = coalesce(new_pairs.timestamp_b, -1);
DELETE FROM mask_pair_values WHERE mask_pair_key IN (SELECT mask_pair_key FROM old_pairs);
DELETE FROM mask_pairs WHERE mask_pair_key IN (SELECT mask_pair_key FROM old_pairs);
DROP TABLE old_pairs;
CREATE OR REPLACE TEMP TABLE pair_keys AS SELECT place, nextval('mask_pair_keys') AS mask_pair_key FROM new_pairs;
