-- One row per value with contradicting labels: in ROIs of one mask, in entries of `mask_labels`, or in ROIs and
-- `mask_labels`; `count` is the ROIs or entries.
-- To do: decide on one label, and correct the others.
-- Severity: warning. View: version_faults_meaning.
SELECT
    frame_masks.dataset,
    frame_masks.version,
    frame_masks.version_id,
    frame_masks.frame_id,
    frame_masks.source_id,
    frame_masks.mask_uri,
    contradicting.mask_value AS "value",
    contradicting."count",
    'ROIs of ' || contradicting.one || ' and of ' || contradicting.other || ' have the value '
        || CAST(contradicting.mask_value AS VARCHAR) AS message
FROM (
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        mask_value,
        count(*) AS "count",
        min(array_to_string(class_labels, ', ')) AS one,
        max(array_to_string(class_labels, ', ')) AS other
    FROM mask_rois
    WHERE mask_value IS NOT NULL AND mask_index IS NOT NULL
    GROUP BY version_id, frame_key, source_index, mask_index, mask_value
    HAVING one <> other
) AS contradicting
JOIN frame_masks
    ON frame_masks.version_id = contradicting.version_id
    AND frame_masks.frame_key = contradicting.frame_key
    AND frame_masks.source_index = contradicting.source_index
    AND frame_masks.mask_index = contradicting.mask_index
UNION ALL
SELECT
    datasets.name,
    versions.name,
    versions.version_id,
    NULL,
    NULL,
    NULL,
    contradicting."value",
    contradicting."count",
    'mask_labels (' || contradicting.mask_id || ') has ' || CAST(contradicting."value" AS VARCHAR) || ' as '
        || contradicting.one || ' and as ' || contradicting.other
FROM (
    SELECT
        version_id,
        mask_id,
        TRY_CAST(json_extract(entry, '$.value') AS INTEGER[]) AS "value",
        count(*) AS "count",
        min(CAST(json_extract(entry, '$.labels') AS VARCHAR)) AS one,
        max(CAST(json_extract(entry, '$.labels') AS VARCHAR)) AS other
    FROM (
        SELECT version_id, item.key AS mask_id, unnest(item.value) AS entry
        FROM (SELECT version_id, unnest(mask_label_entries(metadata)) AS item FROM versions)
    )
    GROUP BY version_id, mask_id, TRY_CAST(json_extract(entry, '$.value') AS INTEGER[])
) AS contradicting
JOIN versions ON versions.version_id = contradicting.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
WHERE contradicting.one <> contradicting.other
UNION ALL
SELECT
    dataset,
    version,
    version_id,
    NULL,
    NULL,
    NULL,
    mask_value,
    count(*),
    CAST(mask_value AS VARCHAR) || ' is ' || array_to_string(value_labels, ', ') || ' in mask_labels, and '
        || array_to_string(class_labels, ', ') || ' in ' || count(*) || ' ROIs'
FROM mask_roi_labels
WHERE NOT list_has_any(class_labels, value_labels)
GROUP BY dataset, version, version_id, mask_value, value_labels, class_labels
