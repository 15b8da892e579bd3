-- One row per group: "by", masks, pixels, mean_iou, mean_dice, mean_accuracy, pixel_accuracy, frequency_weighted_iou, each the
-- mean over the units; in order, so that it is the same to the last digit each time.
SELECT
    per_unit."by",
    masks.masks,
    CAST(sum(pixels.pixels) AS BIGINT) AS pixels,
    list_avg(list(per_unit.mean_iou ORDER BY per_unit.unit)) AS mean_iou,
    list_avg(list(per_unit.mean_dice ORDER BY per_unit.unit)) AS mean_dice,
    list_avg(list(per_unit.mean_accuracy ORDER BY per_unit.unit)) AS mean_accuracy,
    list_avg(list(pixels."right" / nullif(pixels.pixels, 0) ORDER BY pixels.unit)) AS pixel_accuracy,
    list_avg(list(per_unit.frequency_weighted_iou ORDER BY per_unit.unit)) AS frequency_weighted_iou
FROM (
    SELECT
        "by",
        unit,
        list_avg(list(iou ORDER BY class)) AS mean_iou,
        list_avg(list(dice ORDER BY class)) AS mean_dice,
        list_avg(list(recall ORDER BY class)) AS mean_accuracy,
        list_sum(list(truth * iou ORDER BY class)) / nullif(sum(truth), 0) AS frequency_weighted_iou
    FROM unit_scores
    GROUP BY "by", unit
) AS per_unit
JOIN (
    SELECT
        "by",
        unit,
        sum(pixels) AS pixels,
        sum(CASE WHEN truth_class = prediction_class THEN pixels ELSE 0 END) AS "right"
    FROM confusion
    GROUP BY "by", unit
) AS pixels ON pixels."by" IS NOT DISTINCT FROM per_unit."by" AND pixels.unit = per_unit.unit
JOIN (
    SELECT CASE WHEN $is_grouped THEN "by" END AS "by", count(DISTINCT place) AS masks
    FROM class_pixels
    GROUP BY ALL
) AS masks ON masks."by" IS NOT DISTINCT FROM per_unit."by"
GROUP BY per_unit."by", masks.masks
ORDER BY per_unit."by";
