-- One row per mask of 8 bits for which values beyond 255 are declared, or that has 255 where most masks of its id have
-- 16 bits and values beyond 255: cut from 16 bits, so that ids are lost.
-- To do: write the mask again with 16 bits.
-- Severity: error. View: version_faults_colours.
SELECT
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    mask_uri,
    "value",
    "count",
    summary || '; 8 bits, and values beyond 255 are declared: cut from 16 bits' AS message
FROM undeclared_masks
WHERE cause = '16bit'
UNION ALL
SELECT
    declared_masks.dataset,
    declared_masks.version,
    declared_masks.version_id,
    declared_masks.frame_id,
    declared_masks.source_id,
    declared_masks.mask_uri,
    [255],
    regions.area,
    regions.area || ' pixels of [255] in 8 bits, where most masks of its id have 16 and values beyond 255: cut from 16 bits'
FROM declared_masks
JOIN regions USING (version_id, frame_key, source_index, mask_index)
JOIN deep_ids
    ON deep_ids.version_id = declared_masks.version_id AND deep_ids.mask_id IS NOT DISTINCT FROM declared_masks.mask_id
ANTI JOIN undeclared_masks USING (version_id, frame_key, source_index, mask_index)
WHERE regions.sample = 255 AND NOT ends_with(declared_masks.mode, '16')
