-- One row per version, mask id ('_all_' or one mask's) and value of its mask_labels, with the labels of the value.
-- Of several entries for one value the first applies. To join them to masks there is mask_labels_by_id: '_all_' repeats values.
CREATE OR REPLACE VIEW mask_labels AS
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.version_id,
    by_mask.mask_id,
    CAST(json_extract(by_mask.entry, '$.value') AS INTEGER[]) AS "value",
    CAST(first(json_extract(by_mask.entry, '$.labels') ORDER BY by_mask.entry_index) AS VARCHAR[]) AS labels,
    first(by_mask.entry ORDER BY by_mask.entry_index) AS entry
FROM versions
JOIN datasets ON datasets.dataset_id = versions.dataset_id
JOIN (
    SELECT
        version_id,
        item.key AS mask_id,
        unnest(item.value) AS entry,
        generate_subscripts(item.value, 1) AS entry_index
    FROM (SELECT version_id, unnest(mask_label_entries(metadata)) AS item FROM versions)
) AS by_mask ON by_mask.version_id = versions.version_id
GROUP BY ALL;
