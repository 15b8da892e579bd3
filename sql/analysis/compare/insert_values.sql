-- The values that share pixels in the Arrow table new_values, of the pairs of mask images in pair_keys.
INSERT INTO mask_pair_values
SELECT
    pair_keys.mask_pair_key,
    new_values.value_a,
    new_values.value_b,
    new_values.pixels,
    new_values.colour_a,
    new_values.colour_b
FROM new_values
JOIN pair_keys ON pair_keys.place = new_values.place
ORDER BY pair_keys.mask_pair_key;
