-- One row per row of the table pairs and two values that share pixels in its masks: place, truth_value, truth_colour,
-- prediction_value, prediction_colour (NULL where there is no prediction), pixels.
SELECT
    pairs.place,
    mask_pair_values.value_a AS truth_value,
    mask_pair_values.colour_a AS truth_colour,
    CASE WHEN pairs.prediction_uri IS NOT NULL THEN mask_pair_values.value_b END AS prediction_value,
    CASE WHEN pairs.prediction_uri IS NOT NULL THEN mask_pair_values.colour_b END AS prediction_colour,
    mask_pair_values.pixels
FROM pairs
JOIN mask_pairs
    ON same_mask(mask_pairs.uri_a, mask_pairs.timestamp_a, pairs.uri, pairs.mask_timestamp)
    AND same_mask(mask_pairs.uri_b, mask_pairs.timestamp_b, pairs.compared_uri, pairs.compared_timestamp)
JOIN mask_pair_values ON mask_pair_values.mask_pair_key = mask_pairs.mask_pair_key;
