-- One row per object of a sequence of the truth: sequence, object (its value as text), frames, j: the mean over the frames of
-- the IoU, 1 where the object is in neither mask. Of each sequence the first and the last frame are left out unless $frames
-- is 'all'. Objects are all values but 0 and the ignored ones, whose pixels are left out.
WITH frames AS MATERIALIZED (
    SELECT place, sequence
    FROM (
        SELECT
            place,
            concat_ws(' ', context_id, CASE WHEN has_many THEN source END) AS sequence,
            row_number() OVER ordered AS number,
            count(*) OVER (PARTITION BY context_id, source) AS frames
        FROM (SELECT *, count(*) OVER (PARTITION BY frame_key) > 1 AS has_many FROM pairs)
        WINDOW ordered AS (PARTITION BY context_id, source ORDER BY "timestamp", position, place)
    )
    WHERE $frames = 'all' OR number BETWEEN 2 AND frames - 1
),
cells AS MATERIALIZED (
    SELECT shared_values.place, shared_values.truth_value AS truth, shared_values.prediction_value AS prediction, shared_values.pixels
    FROM shared_values
    JOIN value_classes
        ON value_classes.place = shared_values.place
        AND value_classes.side = 'truth'
        AND value_classes."value" = shared_values.truth_value
    WHERE NOT value_classes.is_ignored
),
objects AS (
    SELECT DISTINCT sequences.sequence, cells.truth AS object
    FROM cells
    JOIN pairs ON pairs.place = cells.place
    JOIN (SELECT DISTINCT frames.sequence, pairs.context_id, pairs.source FROM frames JOIN pairs USING (place)) AS sequences
        ON sequences.context_id IS NOT DISTINCT FROM pairs.context_id AND sequences.source = pairs.source
    WHERE list_max(cells.truth[1:3]) > 0
),
areas AS (
    SELECT place, object, sum("both") AS "both", sum(either) AS either
    FROM (
        SELECT place, truth AS object, CASE WHEN truth = prediction THEN pixels ELSE 0 END AS "both", pixels AS either
        FROM cells
        UNION ALL
        SELECT place, prediction, 0, pixels FROM cells WHERE prediction IS DISTINCT FROM truth AND prediction IS NOT NULL
    )
    GROUP BY place, object
)
SELECT
    objects.sequence,
    array_to_string(objects.object, ',') AS object,
    count(*) AS frames,
    list_avg(list(coalesce(areas."both" / areas.either, 1) ORDER BY frames.place)) AS j
FROM objects
JOIN frames ON frames.sequence = objects.sequence
LEFT JOIN areas ON areas.place = frames.place AND areas.object = objects.object
GROUP BY objects.sequence, objects.object
ORDER BY objects.sequence, objects.object;
