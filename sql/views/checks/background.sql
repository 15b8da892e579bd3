-- One row per version with black in masks that no `mask_labels` entry applies to and no ROI declares black in: taken
-- for background; `count` is its pixels.
-- To do: declare black where it is a class.
-- Severity: note. View: version_faults_colours.
SELECT
    declared_masks.dataset,
    declared_masks.version,
    declared_masks.version_id,
    [0, 0, 0] AS "value",
    CAST(sum(background_regions.area) AS BIGINT) AS "count",
    'black in ' || count(*) || ' masks, which no ROI declares, and they have no mask_labels; taken for background'
        AS message
FROM declared_masks
JOIN background_regions USING (version_id, frame_key, source_index, mask_index)
ANTI JOIN undeclared_masks USING (version_id, frame_key, source_index, mask_index)
GROUP BY declared_masks.dataset, declared_masks.version, declared_masks.version_id
