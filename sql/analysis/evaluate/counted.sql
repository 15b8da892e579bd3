-- One row per mask of the truth and two classes that share pixels in it and its prediction: place, "by" (its group),
-- truth_class, is_ignored (whether the truth says that these pixels count for nothing), prediction_class (NULL where there is
-- no prediction), pixels.
SELECT
    shared.place,
    evaluated_by."by",
    truth.class AS truth_class,
    truth.is_ignored,
    prediction.class AS prediction_class,
    CAST(sum(shared.pixels) AS BIGINT) AS pixels
FROM shared
JOIN paired ON paired.place = shared.place
JOIN evaluated_by ON evaluated_by.frame_key = paired.frame_key
JOIN meanings AS truth
    ON truth.place = shared.place AND truth.side = 'truth' AND truth."value" = shared.truth_value
LEFT JOIN meanings AS prediction
    ON prediction.place = shared.place AND prediction.side = 'prediction' AND prediction."value" = shared.prediction_value
GROUP BY ALL;
