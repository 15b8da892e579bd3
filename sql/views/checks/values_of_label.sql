-- One row per label with several values; `count` is the values. Masks of instances are meant to be so.
-- To do: nothing in masks of instances; else give the label one value.
-- Severity: note. View: version_faults_meaning.
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.version_id,
    used."count",
    used.labels || ' has ' || used."count" || ' values' || coalesce(' in masks ' || used.mask_id, '') || ', such as '
        || CAST(used.one AS VARCHAR) || ' and ' || CAST(used.other AS VARCHAR) AS message
FROM (
    SELECT version_id, mask_id, labels, count(DISTINCT "value") AS "count", min("value") AS one, max("value") AS other
    FROM (
        SELECT version_id, mask_id, array_to_string(class_labels, ', ') AS labels, mask_value AS "value"
        FROM mask_rois
        WHERE mask_value IS NOT NULL AND mask_index IS NOT NULL
        GROUP BY ALL
        UNION ALL
        SELECT version_id, mask_id, array_to_string(labels, ', '), "value"
        FROM mask_labels
    )
    WHERE labels <> ''
    GROUP BY version_id, mask_id, labels
) AS used
JOIN versions ON versions.version_id = used.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
WHERE used."count" > 1
