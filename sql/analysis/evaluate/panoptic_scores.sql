-- One row per group and class of segments: "by" (NULL unless $is_grouped), class, pq, sq, rq, tp, fp, fn.
-- A segment is what one ROI covers in a mask; pixels of the truth without one, or that are ignored, are void. Segments
-- of one class match where their IoU, void left out of the union, is above 0.5. A crowd matches nothing and is no miss. A
-- segment of the prediction of which more than half is void, or in the last crowd of its class, is no false positive.
WITH cells AS MATERIALIZED (
    SELECT
        shared_values.place,
        CASE WHEN $is_grouped THEN pairs."by" END AS "by",
        CASE WHEN NOT truth.is_ignored THEN truth.segment END AS truth_segment,
        truth.segment_class AS truth_class,
        truth.is_crowd,
        CASE WHEN NOT prediction.is_ignored THEN prediction.segment END AS segment,
        prediction.segment_class AS class,
        sum(shared_values.pixels) AS pixels
    FROM shared_values
    JOIN pairs ON pairs.place = shared_values.place
    JOIN value_classes AS truth
        ON truth.place = shared_values.place AND truth.side = 'truth' AND truth."value" = shared_values.truth_value
    LEFT JOIN value_classes AS prediction
        ON prediction.place = shared_values.place
        AND prediction.side = 'prediction'
        AND prediction."value" = shared_values.prediction_value
    GROUP BY ALL
),
truths AS MATERIALIZED (
    SELECT place, "by", truth_segment, truth_class, is_crowd, sum(pixels) AS area
    FROM cells
    WHERE truth_segment IS NOT NULL
    GROUP BY ALL
),
predictions AS MATERIALIZED (
    SELECT
        place,
        "by",
        segment,
        class,
        sum(pixels) AS area,
        coalesce(sum(pixels) FILTER (truth_segment IS NULL), 0) AS void
    FROM cells
    WHERE segment IS NOT NULL
    GROUP BY ALL
),
common AS MATERIALIZED (
    SELECT place, truth_segment, segment, sum(pixels) AS pixels
    FROM cells
    WHERE truth_segment IS NOT NULL AND segment IS NOT NULL
    GROUP BY ALL
),
matches AS MATERIALIZED (
    SELECT
        common.place,
        truths."by",
        truths.truth_class AS class,
        common.truth_segment,
        common.segment,
        common.pixels / (truths.area + predictions.area - common.pixels - predictions.void) AS iou
    FROM common
    JOIN truths ON truths.place = common.place AND truths.truth_segment = common.truth_segment
    JOIN predictions ON predictions.place = common.place AND predictions.segment = common.segment
    WHERE truths.truth_class = predictions.class
        AND NOT truths.is_crowd
        AND common.pixels > 0.5 * (truths.area + predictions.area - common.pixels - predictions.void)
),
crowded AS (
    SELECT crowds.place, crowds.truth_class AS class, common.segment, common.pixels
    FROM (
        SELECT place, truth_class, max(truth_segment) AS truth_segment FROM truths WHERE is_crowd GROUP BY place, truth_class
    ) AS crowds
    JOIN common ON common.place = crowds.place AND common.truth_segment = crowds.truth_segment
),
events AS (
    SELECT "by", class, 1 AS tp, 0 AS fp, 0 AS fn, iou FROM matches
    UNION ALL
    SELECT truths."by", truths.truth_class, 0, 0, 1, 0
    FROM truths
    ANTI JOIN matches ON matches.place = truths.place AND matches.truth_segment = truths.truth_segment
    WHERE NOT truths.is_crowd
    UNION ALL
    SELECT unmatched."by", unmatched.class, 0, 1, 0, 0
    FROM (
        FROM predictions
        ANTI JOIN matches ON matches.place = predictions.place AND matches.segment = predictions.segment
    ) AS unmatched
    LEFT JOIN crowded
        ON crowded.place = unmatched.place AND crowded.class = unmatched.class AND crowded.segment = unmatched.segment
    WHERE 2 * (unmatched.void + coalesce(crowded.pixels, 0)) <= unmatched.area
)
SELECT
    "by",
    class,
    list_sum(list(iou ORDER BY iou)) / (sum(tp) + 0.5 * sum(fp) + 0.5 * sum(fn)) AS pq,
    coalesce(list_sum(list(iou ORDER BY iou)) / nullif(sum(tp), 0), 0) AS sq,
    sum(tp) / (sum(tp) + 0.5 * sum(fp) + 0.5 * sum(fn)) AS rq,
    CAST(sum(tp) AS BIGINT) AS tp,
    CAST(sum(fp) AS BIGINT) AS fp,
    CAST(sum(fn) AS BIGINT) AS fn
FROM events
GROUP BY "by", class
ORDER BY "by", class;
