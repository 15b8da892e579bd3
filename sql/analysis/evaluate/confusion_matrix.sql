-- One row per two classes that share pixels, in all masks: truth_class, prediction_class (NULL where there is no prediction),
-- pixels.
SELECT truth_class, prediction_class, CAST(sum(pixels) AS BIGINT) AS pixels
FROM confusion
GROUP BY truth_class, prediction_class
ORDER BY
    regexp_replace(truth_class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(truth_class, '[0-9]+$') AS HUGEINT), truth_class,
    regexp_replace(prediction_class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(prediction_class, '[0-9]+$') AS HUGEINT),
    prediction_class;
