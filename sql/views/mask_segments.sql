-- One row per visible mask and entry of mask_labels that applies to it: the entries of its own id, and those of '_all_' for
-- other values. For datasets whose ROIs name no masks.
CREATE OR REPLACE VIEW mask_segments AS
SELECT frame_masks.*, mask_labels."value", mask_labels.labels
FROM frame_masks
JOIN mask_labels
    ON mask_labels.version_id = frame_masks.version_id AND mask_labels.mask_id = frame_masks.mask_id
UNION ALL
SELECT frame_masks.*, mask_labels."value", mask_labels.labels
FROM frame_masks
JOIN mask_labels ON mask_labels.version_id = frame_masks.version_id AND mask_labels.mask_id = '_all_'
ANTI JOIN mask_labels AS own_labels
    ON own_labels.version_id = frame_masks.version_id
    AND own_labels.mask_id = frame_masks.mask_id
    AND own_labels."value" = mask_labels."value";
