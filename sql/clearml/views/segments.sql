-- One row per mask of a frame in `shown` and entry of the version's mask_labels that applies to it.
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
JOIN mask_labels_by_id AS entries
    ON entries.version_id = shown.version_id AND entries.mask_id IS NOT DISTINCT FROM masks.mask_id
