-- One row per visible mask and entry of mask_labels that applies to it: the entries of its own id, and those of '_all_' for
-- other values (see mask_labels_by_id). For datasets whose ROIs name no masks.
CREATE OR REPLACE VIEW mask_segments AS
SELECT frame_masks.*, mask_labels_by_id."value", mask_labels_by_id.labels
FROM frame_masks
JOIN mask_labels_by_id
    ON mask_labels_by_id.version_id = frame_masks.version_id
    AND mask_labels_by_id.mask_id IS NOT DISTINCT FROM frame_masks.mask_id;
