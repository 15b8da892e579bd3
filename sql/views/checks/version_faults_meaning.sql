-- One row per finding about what the values of a version's masks mean: ROIs that resolve to no mask, or by a rule that is none of
-- their own saying; labels that are never used or contradict each other; regions without pixels or with few.
CREATE OR REPLACE VIEW version_faults_meaning AS
WITH entries AS (
    SELECT
        version_id,
        item.key AS mask_id,
        unnest(item.value) AS entry
    FROM (
        SELECT
            version_id,
            unnest(map_entries(from_json(
                CASE json_type(metadata, '$.mask_labels')
                    WHEN 'ARRAY' THEN json_object('_all_', json_extract(metadata, '$.mask_labels'))
                    WHEN 'OBJECT' THEN json_extract(metadata, '$.mask_labels')
                END,
                '"MAP(VARCHAR, JSON[])"'
            ))) AS item
        FROM versions
    )
),
measured AS (
    SELECT dataset, version, version_id, frame_id, source_id, mask_uri, mask_value AS "value", class_labels AS labels, area
    FROM mask_roi_regions
    WHERE area < (SELECT small_region FROM check_settings) AND (area > 0 OR mask_value IS NULL)
    UNION ALL
    SELECT dataset, version, version_id, frame_id, source_id, mask_uri, "value", labels, area
    FROM mask_segment_regions
    WHERE area > 0 AND area < (SELECT small_region FROM check_settings)
),
-- Only once all masks are read it can be said that a value is in none of them.
read_versions AS (
    SELECT frame_masks.version_id
    FROM frame_masks
    LEFT JOIN mask_files
        ON mask_files.uri = frame_masks.mask_uri
        AND coalesce(mask_files."timestamp", -1) = coalesce(frame_masks.mask."timestamp", -1)
    GROUP BY frame_masks.version_id
    HAVING bool_and(mask_files.uri IS NOT NULL)
)
SELECT
    'roi_without_mask' AS "check",
    'error' AS severity,
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_id,
    min(roi_masks.source_id) AS source_id,
    CAST(NULL AS VARCHAR) AS mask_uri,
    rois.mask_value AS "value",
    1 AS "count",
    'rois[' || rois.roi_index || ']: no mask' || coalesce(' of id ' || rois.mask_id, '') || ' in any of its sources' AS message
FROM dataset_frames
JOIN roi_masks ON roi_masks.frame_key = dataset_frames.frame_key AND roi_masks.matched_by = 'none'
JOIN rois ON rois.frame_key = roi_masks.frame_key AND rois.roi_index = roi_masks.roi_index AND rois.kind = 'mask'
ANTI JOIN (
    SELECT frame_key, roi_index
    FROM roi_masks
    WHERE matched_by <> 'none' AND frame_key IN (SELECT frame_key FROM roi_masks WHERE matched_by = 'none')
) AS resolved
    ON resolved.frame_key = roi_masks.frame_key AND resolved.roi_index = roi_masks.roi_index
GROUP BY
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_id,
    rois.roi_index,
    rois.mask_id,
    rois.mask_value
UNION ALL
SELECT
    'roi_by_' || matched_by,
    'note',
    dataset,
    version,
    version_id,
    NULL,
    NULL,
    NULL,
    NULL,
    count(*),
    CASE matched_by
        WHEN 'label' THEN 'ROIs that found their masks by a label that is the id of the mask'
        ELSE 'ROIs that found their masks because their sources have no other'
    END
FROM mask_rois
WHERE matched_by IN ('label', 'only_mask') AND mask_value IS NOT NULL
GROUP BY dataset, version, version_id, matched_by
UNION ALL
SELECT
    'label_unused',
    'note',
    mask_labels.dataset,
    mask_labels.version,
    mask_labels.version_id,
    NULL,
    NULL,
    NULL,
    mask_labels."value",
    0,
    CAST(mask_labels."value" AS VARCHAR) || ' (' || coalesce(array_to_string(mask_labels.labels, ', '), 'no label')
        || ') is in mask_labels, and in no mask'
FROM mask_labels
SEMI JOIN read_versions ON read_versions.version_id = mask_labels.version_id
ANTI JOIN (SELECT version_id, mask_value AS "value" FROM mask_rois WHERE mask_value IS NOT NULL) AS in_roi
    ON in_roi.version_id = mask_labels.version_id AND in_roi."value" = mask_labels."value"
ANTI JOIN (
    SELECT mask_segments.version_id, mask_segments."value", mask_segments.mask_id
    FROM mask_segments
    JOIN mask_files
        ON mask_files.uri = mask_segments.mask_uri
        AND coalesce(mask_files."timestamp", -1) = coalesce(mask_segments.mask."timestamp", -1)
    JOIN mask_region_values() AS found
        ON found.mask_file_key = mask_files.mask_file_key AND found."value" = mask_segments."value"
) AS in_mask
    ON in_mask.version_id = mask_labels.version_id
    AND in_mask."value" = mask_labels."value"
    AND mask_labels.mask_id IN ('_all_', in_mask.mask_id)
UNION ALL
SELECT
    'labels_of_value',
    'warning',
    frame_masks.dataset,
    frame_masks.version,
    frame_masks.version_id,
    frame_masks.frame_id,
    frame_masks.source_id,
    frame_masks.mask_uri,
    contradicting.mask_value,
    contradicting."count",
    'ROIs of ' || contradicting.one || ' and of ' || contradicting.other || ' have the value '
        || CAST(contradicting.mask_value AS VARCHAR)
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
    'labels_of_value',
    'warning',
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
    FROM entries
    GROUP BY version_id, mask_id, TRY_CAST(json_extract(entry, '$.value') AS INTEGER[])
) AS contradicting
JOIN versions ON versions.version_id = contradicting.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
WHERE contradicting.one <> contradicting.other
UNION ALL
SELECT
    'labels_of_value',
    'warning',
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
UNION ALL
SELECT
    'values_of_label',
    'note',
    datasets.name,
    versions.name,
    versions.version_id,
    NULL,
    NULL,
    NULL,
    NULL,
    used."count",
    used.labels || ' has ' || used."count" || ' values' || coalesce(' in masks ' || used.mask_id, '') || ', such as '
        || CAST(used.one AS VARCHAR) || ' and ' || CAST(used.other AS VARCHAR)
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
UNION ALL
SELECT
    CASE area WHEN 0 THEN 'empty_region' ELSE 'small_region' END,
    'warning',
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    mask_uri,
    "value",
    area,
    area || ' pixels of ' || coalesce(array_to_string(min(labels), ', '), 'no label')
        || coalesce(' ' || CAST("value" AS VARCHAR), '')
FROM measured
GROUP BY dataset, version, version_id, frame_id, source_id, mask_uri, "value", area;
