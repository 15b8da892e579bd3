-- One row per mask of the truth and two values that share pixels in it and its prediction: place, truth_value, truth_colour,
-- prediction_value, prediction_colour (NULL where there is no prediction), pixels. A mask without a prediction has been
-- compared with itself.
SELECT
    paired.place,
    mask_pair_values.value_a AS truth_value,
    mask_pair_values.colour_a AS truth_colour,
    CASE WHEN paired.prediction_uri IS NOT NULL THEN mask_pair_values.value_b END AS prediction_value,
    CASE WHEN paired.prediction_uri IS NOT NULL THEN mask_pair_values.colour_b END AS prediction_colour,
    mask_pair_values.pixels
FROM paired
JOIN mask_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, paired.uri, paired.mask_timestamp)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, paired.compared_uri, paired.compared_timestamp)
JOIN mask_pair_values ON mask_pair_values.mask_pair_key = mask_pairs.mask_pair_key;
