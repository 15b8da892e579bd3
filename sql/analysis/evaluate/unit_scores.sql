-- One row per group, unit and scored class: "by", unit, class, its pixels in the truth (truth), in the prediction (predicted)
-- and in both, and iou, dice, precision and recall: NULL where they are 0 of 0, and $absent where the class is in neither.
WITH totals AS (
    SELECT "by", unit, class, sum(truth) AS truth, sum(predicted) AS predicted, sum("both") AS "both"
    FROM (
        SELECT
            "by",
            unit,
            truth_class AS class,
            pixels AS truth,
            0 AS predicted,
            CASE WHEN truth_class = prediction_class THEN pixels ELSE 0 END AS "both"
        FROM confusion
        UNION ALL
        SELECT "by", unit, prediction_class, 0, pixels, 0 FROM confusion WHERE prediction_class IS NOT NULL
    )
    GROUP BY "by", unit, class
),
filled AS (
    SELECT
        units."by",
        units.unit,
        scored_classes.class,
        CAST(coalesce(totals.truth, 0) AS BIGINT) AS truth,
        CAST(coalesce(totals.predicted, 0) AS BIGINT) AS predicted,
        CAST(coalesce(totals."both", 0) AS BIGINT) AS "both"
    FROM (SELECT DISTINCT "by", unit FROM confusion) AS units
    CROSS JOIN scored_classes
    LEFT JOIN totals
        ON totals."by" IS NOT DISTINCT FROM units."by" AND totals.unit = units.unit AND totals.class = scored_classes.class
)
SELECT
    "by",
    unit,
    class,
    truth,
    predicted,
    "both",
    CASE WHEN truth + predicted = 0 THEN CAST($absent AS DOUBLE) ELSE "both" / (truth + predicted - "both") END AS iou,
    CASE WHEN truth + predicted = 0 THEN CAST($absent AS DOUBLE) ELSE 2 * "both" / (truth + predicted) END AS dice,
    CASE WHEN truth + predicted = 0 THEN CAST($absent AS DOUBLE) ELSE "both" / nullif(predicted, 0) END AS "precision",
    CASE WHEN truth + predicted = 0 THEN CAST($absent AS DOUBLE) ELSE "both" / nullif(truth, 0) END AS recall
FROM filled;
