-- One row per group and class: "by", class, truth_pixels, predicted_pixels, common_pixels, iou, dice, precision, recall, each
-- the mean over the units in which it has a value, and how many of these there are (units). Means are over lists in order, so
-- that they are the same to the last digit each time.
SELECT
    "by",
    class,
    CAST(sum(truth) AS BIGINT) AS truth_pixels,
    CAST(sum(predicted) AS BIGINT) AS predicted_pixels,
    CAST(sum("both") AS BIGINT) AS common_pixels,
    list_avg(list(iou ORDER BY unit)) AS iou,
    list_avg(list(dice ORDER BY unit)) AS dice,
    list_avg(list("precision" ORDER BY unit)) AS "precision",
    list_avg(list(recall ORDER BY unit)) AS recall,
    count(iou) AS units
FROM unit_scores
GROUP BY "by", class
ORDER BY
    "by",
    regexp_replace(class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(class, '[0-9]+$') AS HUGEINT),
    class;
