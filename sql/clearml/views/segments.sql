-- One row per mask of a frame in `shown` and entry of the version's mask_labels that applies to it: the entries of
-- its mask id, and those of '_all_' for values without such an entry.
SELECT
    shown.version_id,
    shown.frame_key,
    masks.source_index,
    masks.mask_index,
    masks.mask_id,
    entries."value",
    entries.labels
FROM shown
JOIN masks ON masks.frame_key = shown.frame_key
JOIN mask_labels AS entries
    ON entries.version_id = shown.version_id AND entries.mask_id IN (masks.mask_id, '_all_')
QUALIFY row_number() OVER (
    PARTITION BY shown.version_id, masks.frame_key, masks.source_index, masks.mask_index, entries."value"
    ORDER BY entries.mask_id = '_all_' AND masks.mask_id IS DISTINCT FROM '_all_'
) = 1
