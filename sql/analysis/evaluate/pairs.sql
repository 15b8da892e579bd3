-- One row per mask $truth_mask of version $truth_version_id in the order of its frames: place, the frame's frame_key, frame_id,
-- context_id, timestamp, position and "by" (its group, from the table frame_groups), pair_key, source, source_index, mask_index,
-- uri and mask_timestamp; and prediction_frame_key, prediction_frame_id, prediction_source_index, prediction_mask_index and
-- prediction_uri of the mask $prediction_mask of version $prediction_version_id that is paired with it, NULL where there is none;
-- and compared_uri and compared_timestamp of the mask to compare it with: the prediction, or itself where there is none.
-- Frames are paired by frame_id, or by the URI of the source ($pair 'uri'), or by what group 1 of the regular expression
-- $pattern matches in both ids. In frames with several such masks those of equal source ids are paired.
WITH sides AS (
    SELECT
        version_id,
        frame_key,
        frame_id,
        coalesce(source_id, CAST(source_index AS VARCHAR)) AS source,
        source_index,
        mask_index,
        mask_id,
        mask_uri AS uri,
        mask."timestamp" AS mask_timestamp,
        CASE
            WHEN CAST($pattern AS VARCHAR) IS NOT NULL
            THEN nullif(regexp_extract(frame_id, CAST($pattern AS VARCHAR), 1), '')
            WHEN $pair = 'uri' THEN source_uri
            ELSE frame_id
        END AS pair_key
    FROM frame_masks
    WHERE mask_uri IS NOT NULL
),
truth AS (
    SELECT *, count(*) OVER (PARTITION BY frame_key) = 1 OR $pair = 'uri' AS is_only
    FROM sides
    WHERE version_id = $truth_version_id AND mask_id IS NOT DISTINCT FROM $truth_mask
),
prediction AS (
    SELECT *, count(*) OVER (PARTITION BY frame_key) = 1 OR $pair = 'uri' AS is_only
    FROM sides
    WHERE version_id = $prediction_version_id AND mask_id IS NOT DISTINCT FROM $prediction_mask
)
SELECT
    row_number() OVER (ORDER BY dataset_frames.position, truth.frame_key, truth.source_index, truth.mask_index,
        prediction.frame_key, prediction.mask_index) AS place,
    truth.frame_key,
    truth.frame_id,
    dataset_frames.context_id,
    dataset_frames."timestamp",
    dataset_frames.position,
    frame_groups.group_name AS "by",
    truth.pair_key,
    truth.source,
    truth.source_index,
    truth.mask_index,
    truth.uri,
    truth.mask_timestamp,
    prediction.frame_key AS prediction_frame_key,
    prediction.frame_id AS prediction_frame_id,
    prediction.source_index AS prediction_source_index,
    prediction.mask_index AS prediction_mask_index,
    prediction.uri AS prediction_uri,
    CASE WHEN prediction.uri IS NULL THEN truth.uri ELSE prediction.uri END AS compared_uri,
    CASE WHEN prediction.uri IS NULL THEN truth.mask_timestamp ELSE prediction.mask_timestamp END AS compared_timestamp
FROM truth
JOIN dataset_frames
    ON dataset_frames.version_id = $truth_version_id AND dataset_frames.frame_key = truth.frame_key
JOIN frame_groups ON frame_groups.frame_key = truth.frame_key
LEFT JOIN prediction
    ON prediction.pair_key = truth.pair_key
    AND (truth.is_only AND prediction.is_only OR prediction.source = truth.source)
ORDER BY place;
