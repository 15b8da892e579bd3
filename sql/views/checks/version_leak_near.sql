-- One row per mask with nearly the same pixels as one under another `frame_id` in another version, where neither
-- version inherits from the other: an IoU of at least `--near-iou` (0.99); `count` is those others.
-- To do: look at both, and leave the frame out of one of the versions.
-- Severity: warning. View: version_faults_sets.
SELECT
    near_masks.dataset,
    near_masks.version,
    near_masks.version_id,
    near_masks.frame_id,
    near_masks.source_id,
    near_masks.mask_uri,
    count(*) AS "count",
    'an IoU of ' || CAST(round(max(near_masks.iou), 4) AS VARCHAR) || ' with frame ' || min(near_masks.other_frame_id)
        || ' of ' || min(near_masks.other_dataset || '/' || near_masks.other_version) AS message
FROM near_masks
JOIN unrelated_versions
    ON unrelated_versions.version_id = near_masks.version_id
    AND unrelated_versions.other_version_id = near_masks.other_version_id
GROUP BY
    near_masks.dataset,
    near_masks.version,
    near_masks.version_id,
    near_masks.frame_id,
    near_masks.source_id,
    near_masks.mask_uri
