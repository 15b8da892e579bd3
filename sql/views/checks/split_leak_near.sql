-- One row per two masks with nearly the same pixels in frames of two splits: an IoU of at least `--near-iou` (0.99) at
-- equal size.
-- To do: look at both, and move the frames into one split.
-- Severity: warning. View: version_faults_sets.
SELECT
    near_masks.dataset,
    near_masks.version,
    near_masks.version_id,
    near_masks.frame_id,
    near_masks.source_id,
    near_masks.mask_uri,
    1 AS "count",
    'in ' || one.split || ': an IoU of ' || CAST(round(near_masks.iou, 4) AS VARCHAR) || ' with '
        || near_masks.other_uri || ' in ' || other.split AS message
FROM near_masks
JOIN splits AS one ON one.version_id = near_masks.version_id AND one.frame_key = near_masks.frame_key
JOIN splits AS other
    ON other.version_id = near_masks.other_version_id AND other.frame_key = near_masks.other_frame_key
WHERE near_masks.version_id = near_masks.other_version_id AND one.split < other.split
