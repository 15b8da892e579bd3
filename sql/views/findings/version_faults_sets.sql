-- One row per finding about a version as a whole: masks that occur twice, in two splits, or under another frame in another
-- version; frames of one context in two splits; the share of each label in the pixels.
CREATE OR REPLACE VIEW version_faults_sets AS
-- One row per analysed mask of more than one value; masks of one value, such as empty ones, are often equal.
WITH filled_masks AS (
    SELECT
        frame_masks.dataset,
        frame_masks.version,
        frame_masks.version_id,
        frame_masks.frame_key,
        frame_masks.frame_id,
        frame_masks.source_id,
        frame_masks.mask_uri,
        frame_masks.mask."timestamp" AS "timestamp",
        mask_files.pixel_hash,
        mask_files.fingerprint
    FROM frame_masks
    JOIN mask_files
        ON same_mask(mask_files.uri, mask_files."timestamp", frame_masks.mask_uri, frame_masks.mask."timestamp")
    SEMI JOIN (SELECT mask_file_key FROM mask_regions GROUP BY mask_file_key HAVING count(*) > 1) AS filled
        ON filled.mask_file_key = mask_files.mask_file_key
),
-- One row per frame whose meta names its split.
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
-- One row per version and pixels: the masks that have them.
equal_masks AS (
    SELECT
        filled_masks.dataset,
        filled_masks.version,
        filled_masks.version_id,
        filled_masks.pixel_hash,
        count(DISTINCT (filled_masks.mask_uri, filled_masks."timestamp")) AS mask_count,
        min(filled_masks.mask_uri) AS mask_uri,
        max(filled_masks.mask_uri) AS other_uri,
        min(filled_masks.frame_id) AS frame_id,
        max(filled_masks.frame_id) AS other_frame_id,
        count(DISTINCT filled_masks.frame_id) AS frame_count,
        arg_min(filled_masks.source_id, filled_masks.frame_id) AS source_id,
        min(splits.split) AS split,
        max(splits.split) AS other_split
    FROM filled_masks
    LEFT JOIN splits ON splits.version_id = filled_masks.version_id AND splits.frame_key = filled_masks.frame_key
    GROUP BY filled_masks.dataset, filled_masks.version, filled_masks.version_id, filled_masks.pixel_hash
),
-- One row per two compared masks that are nearly equal, with the IoU of all but the commonest value of the first.
near_pairs AS (
    SELECT uri_a, timestamp_a, fingerprint_a, uri_b, timestamp_b, fingerprint_b, overlap.iou
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
-- One row per mask and nearly equal mask of another frame, and one for the same two the other way round.
near_masks AS (
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
        near_pairs.iou
    FROM (
        FROM near_pairs
        UNION ALL
        SELECT uri_b, timestamp_b, fingerprint_b, uri_a, timestamp_a, fingerprint_a, iou FROM near_pairs
    ) AS near_pairs
    JOIN filled_masks AS one
        ON same_mask(one.mask_uri, one."timestamp", near_pairs.uri_a, near_pairs.timestamp_a)
        AND one.fingerprint = near_pairs.fingerprint_a
    JOIN filled_masks AS other
        ON same_mask(other.mask_uri, other."timestamp", near_pairs.uri_b, near_pairs.timestamp_b)
        AND other.fingerprint = near_pairs.fingerprint_b
    WHERE one.pixel_hash <> other.pixel_hash AND one.frame_id <> other.frame_id
),
-- One row per two versions of which neither inherits from the other.
unrelated_versions AS (
    SELECT one.version_id, other.version_id AS other_version_id
    FROM versions AS one
    JOIN versions AS other ON other.version_id <> one.version_id
    ANTI JOIN version_lineage AS lineage
        ON (lineage.version_id = one.version_id AND lineage.ancestor_id = other.version_id)
        OR (lineage.version_id = other.version_id AND lineage.ancestor_id = one.version_id)
),
-- One row per region that a ROI or, where none does, mask_labels declare: once, though one declares its number and another its
-- colour.
declared_regions AS (
    SELECT dataset, version, version_id, frame_key, mask_id, labels, area
    FROM (
        SELECT
            dataset,
            version,
            version_id,
            frame_key,
            source_index,
            mask_index,
            coalesce(mask_id, '') AS mask_id,
            class_labels AS labels,
            mask_value AS "value",
            area,
            (bbox, centroid) AS geometry,
            0 AS place
        FROM mask_roi_regions
        WHERE area > 0
        UNION ALL
        SELECT
            segments.dataset,
            segments.version,
            segments.version_id,
            segments.frame_key,
            segments.source_index,
            segments.mask_index,
            coalesce(segments.mask_id, ''),
            segments.labels,
            segments."value",
            segments.area,
            (segments.bbox, segments.centroid),
            1
        FROM mask_segment_regions AS segments
        ANTI JOIN mask_rois
            ON mask_rois.version_id = segments.version_id
            AND mask_rois.frame_key = segments.frame_key
            AND mask_rois.source_index = segments.source_index
            AND mask_rois.mask_index = segments.mask_index
            AND mask_rois.mask_value = segments."value"
        WHERE segments.area > 0
    )
    QUALIFY "value" IS NULL OR len("value") = first(len("value")) OVER (
        PARTITION BY version_id, frame_key, source_index, mask_index, area, geometry ORDER BY place, len("value")
    )
)
-- The rows of the checks follow: the files in sql/views/checks/ that name this view.
