-- One row per set of masks with the same pixels in frames of two splits; `count` is the frames.
-- To do: move the frames into one split.
-- Severity: error. View: version_faults_sets.
SELECT
    *,
    frame_count AS "count",
    'the same pixels in frames of ' || split || ' and ' || other_split || ', such as ' || frame_id || ' and '
        || other_frame_id AS message
FROM equal_masks
WHERE split <> other_split
