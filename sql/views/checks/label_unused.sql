-- One row per value of `mask_labels` that is in no ROI and no mask, reported once all masks of the version are read.
-- To do: remove the entry, or correct its value.
-- Severity: note. View: version_faults_meaning.
SELECT
    mask_labels.dataset,
    mask_labels.version,
    mask_labels.version_id,
    mask_labels."value",
    0 AS "count",
    CAST(mask_labels."value" AS VARCHAR) || ' (' || coalesce(array_to_string(mask_labels.labels, ', '), 'no label')
        || ') is in mask_labels, and in no mask' AS message
FROM mask_labels
-- Only once all masks are read it is known that a value is in none of them.
SEMI JOIN (
    SELECT frame_masks.version_id
    FROM frame_masks
    LEFT JOIN mask_files
        ON same_mask(mask_files.uri, mask_files."timestamp", frame_masks.mask_uri, frame_masks.mask."timestamp")
    GROUP BY frame_masks.version_id
    HAVING bool_and(mask_files.uri IS NOT NULL)
) AS read_versions
    ON read_versions.version_id = mask_labels.version_id
ANTI JOIN (SELECT version_id, mask_value AS "value" FROM mask_rois WHERE mask_value IS NOT NULL) AS in_roi
    ON in_roi.version_id = mask_labels.version_id AND in_roi."value" = mask_labels."value"
ANTI JOIN segment_regions AS in_mask
    ON in_mask.version_id = mask_labels.version_id
    AND in_mask."value" = mask_labels."value"
    AND mask_labels.mask_id IN ('_all_', in_mask.mask_id)
