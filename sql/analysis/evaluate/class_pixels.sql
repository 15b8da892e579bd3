-- One row per row of the table pairs and two classes that share pixels in its masks: place, "by" (its group), truth_class,
-- is_ignored (whether these pixels are ignored in the truth), prediction_class (NULL where there is no prediction), pixels.
SELECT
    shared_values.place,
    pairs."by",
    truth.class AS truth_class,
    truth.is_ignored,
    prediction.class AS prediction_class,
    CAST(sum(shared_values.pixels) AS BIGINT) AS pixels
FROM shared_values
JOIN pairs ON pairs.place = shared_values.place
JOIN value_classes AS truth
    ON truth.place = shared_values.place AND truth.side = 'truth' AND truth."value" = shared_values.truth_value
LEFT JOIN value_classes AS prediction
    ON prediction.place = shared_values.place
    AND prediction.side = 'prediction'
    AND prediction."value" = shared_values.prediction_value
GROUP BY ALL;
