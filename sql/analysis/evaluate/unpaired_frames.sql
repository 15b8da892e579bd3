-- One row: truth_frames, the frames of version $truth_version_id that have no mask $truth_mask; and predictions, the frames of
-- version $prediction_version_id with a mask $prediction_mask that are in no row of the table pairs.
SELECT
    (
        SELECT count(*)
        FROM dataset_frames
        WHERE version_id = $truth_version_id AND frame_key NOT IN (SELECT frame_key FROM pairs)
    ) AS truth_frames,
    (
        SELECT count(DISTINCT frame_key)
        FROM frame_masks
        WHERE version_id = $prediction_version_id
            AND mask_id IS NOT DISTINCT FROM $prediction_mask
            AND frame_key NOT IN (SELECT prediction_frame_key FROM pairs WHERE prediction_frame_key IS NOT NULL)
    ) AS predictions;
