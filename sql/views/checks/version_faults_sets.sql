-- One row per finding about a version as a set: masks that are there twice, in two splits, or in another version under another
-- frame; frames of one context in two splits; how much there is of each label.
CREATE OR REPLACE VIEW version_faults_sets AS
-- The masks of more than one value: that two empty ones are the same says nothing.
WITH telling AS (
    SELECT
        frame_masks.dataset,
        frame_masks.version,
        frame_masks.version_id,
        frame_masks.frame_key,
        frame_masks.frame_id,
        frame_masks.source_id,
        frame_masks.mask_uri,
        coalesce(frame_masks.mask."timestamp", -1) AS "timestamp",
        mask_files.pixel_hash,
        mask_files.fingerprint
    FROM frame_masks
    JOIN mask_files
        ON mask_files.uri = frame_masks.mask_uri
        AND coalesce(mask_files."timestamp", -1) = coalesce(frame_masks.mask."timestamp", -1)
        AND mask_files.error IS NULL
    SEMI JOIN (SELECT mask_file_key FROM mask_regions GROUP BY mask_file_key HAVING count(*) > 1) AS filled
        ON filled.mask_file_key = mask_files.mask_file_key
),
splits AS (
    SELECT
        dataset_frames.dataset,
        dataset_frames.version,
        dataset_frames.version_id,
        dataset_frames.frame_key,
        dataset_frames.frame_id,
        dataset_frames.context_id,
        json_extract_string(dataset_frames.meta, check_settings.split_key) AS split
    FROM dataset_frames
    CROSS JOIN check_settings
    WHERE json_extract_string(dataset_frames.meta, check_settings.split_key) IS NOT NULL
),
same AS (
    SELECT
        telling.dataset,
        telling.version,
        telling.version_id,
        telling.pixel_hash,
        count(DISTINCT (telling.mask_uri, telling."timestamp")) AS mask_count,
        min(telling.mask_uri) AS mask_uri,
        max(telling.mask_uri) AS other_uri,
        min(telling.frame_id) AS frame_id,
        max(telling.frame_id) AS other_frame_id,
        count(DISTINCT telling.frame_id) AS frame_count,
        arg_min(telling.source_id, telling.frame_id) AS source_id,
        min(splits.split) AS split,
        max(splits.split) AS other_split
    FROM telling
    LEFT JOIN splits ON splits.version_id = telling.version_id AND splits.frame_key = telling.frame_key
    GROUP BY telling.dataset, telling.version, telling.version_id, telling.pixel_hash
),
-- Of masks that were compared, how much of what is not the commonest value of the first is the same in both.
compared AS (
    SELECT mask_pairs.mask_pair_key, uri_a, timestamp_a, fingerprint_a, uri_b, timestamp_b, fingerprint_b, overlap.iou
    FROM mask_pairs
    JOIN (
        SELECT
            mask_pair_values.mask_pair_key,
            coalesce(sum(pixels) FILTER (WHERE value_a = value_b AND value_a <> commonest."value"), 0)
                / sum(pixels) FILTER (WHERE value_a <> commonest."value" OR value_b <> commonest."value") AS iou
        FROM mask_pair_values
        JOIN (
            SELECT mask_pair_key, arg_max(value_a, pixels) AS "value"
            FROM (SELECT mask_pair_key, value_a, sum(pixels) AS pixels FROM mask_pair_values GROUP BY mask_pair_key, value_a)
            GROUP BY mask_pair_key
        ) AS commonest
            ON commonest.mask_pair_key = mask_pair_values.mask_pair_key
        GROUP BY mask_pair_values.mask_pair_key
    ) AS overlap
        ON overlap.mask_pair_key = mask_pairs.mask_pair_key
    WHERE mask_pairs.error IS NULL AND overlap.iou >= (SELECT near_iou FROM check_settings)
),
near AS (
    SELECT
        one.dataset,
        one.version,
        one.version_id,
        one.frame_key,
        one.frame_id,
        one.source_id,
        one.mask_uri,
        other.dataset AS other_dataset,
        other.version AS other_version,
        other.version_id AS other_version_id,
        other.frame_key AS other_frame_key,
        other.frame_id AS other_frame_id,
        other.mask_uri AS other_uri,
        compared.iou
    FROM (
        FROM compared
        UNION ALL
        SELECT mask_pair_key, uri_b, timestamp_b, fingerprint_b, uri_a, timestamp_a, fingerprint_a, iou FROM compared
    ) AS compared
    JOIN telling AS one
        ON one.mask_uri = compared.uri_a
        AND one."timestamp" = coalesce(compared.timestamp_a, -1)
        AND one.fingerprint = compared.fingerprint_a
    JOIN telling AS other
        ON other.mask_uri = compared.uri_b
        AND other."timestamp" = coalesce(compared.timestamp_b, -1)
        AND other.fingerprint = compared.fingerprint_b
    WHERE one.pixel_hash <> other.pixel_hash AND one.frame_id <> other.frame_id
),
-- Versions of which neither inherits from the other.
apart AS (
    SELECT one.version_id, other.version_id AS other_version_id
    FROM versions AS one
    JOIN versions AS other ON other.version_id <> one.version_id
    ANTI JOIN version_lineage AS lineage
        ON (lineage.version_id = one.version_id AND lineage.ancestor_id = other.version_id)
        OR (lineage.version_id = other.version_id AND lineage.ancestor_id = one.version_id)
),
regions AS (
    SELECT dataset, version, version_id, frame_key, coalesce(mask_id, '') AS mask_id, class_labels AS labels, area
    FROM mask_roi_regions
    WHERE area > 0
    UNION ALL
    SELECT
        segments.dataset,
        segments.version,
        segments.version_id,
        segments.frame_key,
        coalesce(segments.mask_id, ''),
        segments.labels,
        segments.area
    FROM mask_segment_regions AS segments
    ANTI JOIN mask_rois
        ON mask_rois.version_id = segments.version_id
        AND mask_rois.frame_key = segments.frame_key
        AND mask_rois.source_index = segments.source_index
        AND mask_rois.mask_index = segments.mask_index
        AND mask_rois.mask_value = segments."value"
    WHERE segments.area > 0
)
SELECT
    CASE WHEN split <> other_split THEN 'split_leak' ELSE 'same_mask' END AS "check",
    CASE WHEN split <> other_split THEN 'error' ELSE 'warning' END AS severity,
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    mask_uri,
    CAST(NULL AS INTEGER[]) AS "value",
    CASE WHEN split <> other_split THEN frame_count ELSE mask_count END AS "count",
    CASE
        WHEN split <> other_split
        THEN 'the same pixels in frames of ' || split || ' and ' || other_split || ', such as ' || frame_id || ' and '
            || other_frame_id
        ELSE 'the same pixels as ' || other_uri
    END AS message
FROM same
WHERE split <> other_split OR mask_count > 1
UNION ALL
SELECT
    'version_leak',
    'warning',
    same.dataset,
    same.version,
    same.version_id,
    min(same.frame_id),
    min(same.source_id),
    min(same.mask_uri),
    NULL,
    count(*),
    'the same pixels as frame ' || min(other.frame_id) || ' of ' || min(other.dataset || '/' || other.version)
FROM same
JOIN same AS other ON other.pixel_hash = same.pixel_hash
JOIN apart ON apart.version_id = same.version_id AND apart.other_version_id = other.version_id
WHERE same.frame_id <> other.frame_id OR same.other_frame_id <> other.other_frame_id
GROUP BY same.dataset, same.version, same.version_id, same.pixel_hash
UNION ALL
SELECT
    'split_leak_near',
    'warning',
    near.dataset,
    near.version,
    near.version_id,
    near.frame_id,
    near.source_id,
    near.mask_uri,
    NULL,
    1,
    'in ' || one.split || ': an IoU of ' || CAST(round(near.iou, 4) AS VARCHAR) || ' with ' || near.other_uri
        || ' in ' || other.split
FROM near
JOIN splits AS one ON one.version_id = near.version_id AND one.frame_key = near.frame_key
JOIN splits AS other ON other.version_id = near.other_version_id AND other.frame_key = near.other_frame_key
WHERE near.version_id = near.other_version_id AND one.split < other.split
UNION ALL
SELECT
    'version_leak_near',
    'warning',
    near.dataset,
    near.version,
    near.version_id,
    near.frame_id,
    near.source_id,
    near.mask_uri,
    NULL,
    count(*),
    'an IoU of ' || CAST(round(max(near.iou), 4) AS VARCHAR) || ' with frame ' || min(near.other_frame_id) || ' of '
        || min(near.other_dataset || '/' || near.other_version)
FROM near
JOIN apart ON apart.version_id = near.version_id AND apart.other_version_id = near.other_version_id
GROUP BY near.dataset, near.version, near.version_id, near.frame_id, near.source_id, near.mask_uri
UNION ALL
SELECT
    'context_in_splits',
    'warning',
    dataset,
    version,
    version_id,
    min(frame_id),
    NULL,
    NULL,
    NULL,
    count(*),
    'context ' || context_id || ': frames in ' || min(split) || ' and ' || max(split)
FROM splits
WHERE context_id IS NOT NULL
GROUP BY dataset, version, version_id, context_id
HAVING min(split) <> max(split)
UNION ALL
SELECT
    'balance',
    'note',
    regions.dataset,
    regions.version,
    regions.version_id,
    NULL,
    NULL,
    NULL,
    NULL,
    CAST(sum(regions.area) AS BIGINT),
    coalesce(array_to_string(regions.labels, ', '), 'no label') || ': ' || format('{:.2f}', 100 * sum(regions.area) / whole.area)
        || ' % of the declared pixels' || CASE regions.mask_id WHEN '' THEN '' ELSE ' of masks ' || regions.mask_id END || ', in '
        || count(DISTINCT regions.frame_key) || ' of ' || whole.frame_count || ' frames'
FROM regions
JOIN (
    SELECT version_id, mask_id, sum(area) AS area, count(DISTINCT frame_key) AS frame_count
    FROM regions
    GROUP BY version_id, mask_id
) AS whole
    ON whole.version_id = regions.version_id AND whole.mask_id = regions.mask_id
GROUP BY
    regions.dataset,
    regions.version,
    regions.version_id,
    regions.mask_id,
    regions.labels,
    whole.area,
    whole.frame_count;
