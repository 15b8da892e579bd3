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
    ON mask_pairs.uri_a = paired.uri
    AND coalesce(mask_pairs.timestamp_a, -1) = coalesce(paired.mask_timestamp, -1)
    AND mask_pairs.uri_b = coalesce(paired.prediction_uri, paired.uri)
    AND coalesce(mask_pairs.timestamp_b, -1)
        = coalesce(CASE WHEN paired.prediction_uri IS NULL THEN paired.mask_timestamp ELSE paired.prediction_timestamp END, -1)
JOIN mask_pair_values ON mask_pair_values.mask_pair_key = mask_pairs.mask_pair_key;
