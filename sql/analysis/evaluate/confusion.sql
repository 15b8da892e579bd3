-- One row per group, unit and two classes: "by" (NULL unless $is_grouped), unit (the place of a mask where $average is
-- 'images', else 0), truth_class, prediction_class (NULL where there is no prediction), pixels. Ignored pixels of the truth are
-- left out unless $ignored is 'after'.
SELECT
    CASE WHEN $is_grouped THEN "by" END AS "by",
    CASE WHEN $average = 'images' THEN place ELSE 0 END AS unit,
    truth_class,
    prediction_class,
    CAST(sum(pixels) AS BIGINT) AS pixels
FROM class_pixels
WHERE $ignored = 'after' OR NOT is_ignored
GROUP BY ALL;
