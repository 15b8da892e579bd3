-- One row per kind of fault in the table pairs: fault ('truth', 'prediction': frames that are paired twice; 'pattern': ids of the
-- truth that the pattern does not match; 'missing': masks without a prediction), how many, and the first frame_id.
SELECT fault, count(*) AS faults, arg_min(frame_id, place) AS first_frame_id
FROM (
    SELECT 'pattern' AS fault, frame_id, place FROM pairs WHERE pair_key IS NULL
    UNION ALL
    SELECT 'missing', frame_id, place FROM pairs WHERE prediction_uri IS NULL AND pair_key IS NOT NULL
    UNION ALL
    -- A mask of the truth that has two predictions.
    SELECT 'prediction', first(prediction_frame_id ORDER BY place), min(place)
    FROM pairs
    GROUP BY frame_key, source_index, mask_index
    HAVING count(*) > 1
    UNION ALL
    SELECT 'truth', first(frame_id ORDER BY place), min(place)
    FROM pairs
    WHERE prediction_uri IS NOT NULL
    GROUP BY prediction_frame_key, prediction_source_index, prediction_mask_index
    HAVING count(*) > 1
)
GROUP BY fault;
