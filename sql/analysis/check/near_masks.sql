-- One row per two masks that may be nearly equal: uri_a, timestamp_a, uri_b, timestamp_b. Their frames are in two splits of a
-- version, or in two versions of which neither inherits from the other, one of them of $version_ids; their sizes and colours are
-- equal, and their areas leave room for an IoU of near_iou. At most five rows per mask, those with the highest possible IoU.
WITH analysed AS (
    SELECT
        mask_files.mask_file_key,
        mask_files.uri,
        mask_files."timestamp",
        mask_files.height,
        mask_files.width,
        mask_files.pixel_hash,
        described.colours,
        described.areas,
        described.area - described.largest AS foreground,
        described.background
    FROM mask_files
    JOIN (
        SELECT
            mask_file_key,
            list((sample, red, green, blue, alpha) ORDER BY region_index) AS colours,
            list(area ORDER BY region_index) AS areas,
            sum(area) AS area,
            max(area) AS largest,
            arg_max(region_index, area) AS background
        FROM mask_regions
        GROUP BY mask_file_key
        HAVING count(*) BETWEEN 2 AND 256
    ) AS described
        ON described.mask_file_key = mask_files.mask_file_key
    WHERE NOT coalesce(mask_files.is_lossy, false)
),
placed AS (
    SELECT
        frame_masks.version_id,
        frame_masks.frame_id,
        analysed.*,
        json_extract_string(dataset_frames.meta, check_settings.split_key) AS split,
        check_settings.near_iou,
        -- Where the smaller of two areas is at least near_iou of the larger, their steps are equal or neighbours.
        CAST(floor(ln(analysed.foreground) / -ln(check_settings.near_iou)) AS BIGINT) AS step
    FROM frame_masks
    JOIN analysed
        ON same_mask(analysed.uri, analysed."timestamp", frame_masks.mask_uri, frame_masks.mask."timestamp")
    JOIN dataset_frames
        ON dataset_frames.version_id = frame_masks.version_id AND dataset_frames.frame_key = frame_masks.frame_key
    CROSS JOIN check_settings
    WHERE check_settings.near_iou > 0 AND check_settings.near_iou < 1
),
unrelated_versions AS (
    SELECT one.version_id, other.version_id AS other_version_id
    FROM versions AS one
    JOIN versions AS other ON other.version_id <> one.version_id
    ANTI JOIN version_lineage AS lineage
        ON (lineage.version_id = one.version_id AND lineage.ancestor_id = other.version_id)
        OR (lineage.version_id = other.version_id AND lineage.ancestor_id = one.version_id)
),
candidates AS (
    SELECT DISTINCT
        one.uri AS uri_a,
        one."timestamp" AS timestamp_a,
        other.uri AS uri_b,
        other."timestamp" AS timestamp_b,
        one.near_iou,
        list_sum(list_transform(
            list_zip(one.areas, other.areas, range(len(one.areas))),
            lambda region: CASE WHEN region[3] = one.background THEN 0 ELSE least(region[1], region[2]) END
        )) / greatest(one.foreground, other.foreground) AS highest_iou
    FROM (SELECT *, unnest([step - 1, step, step + 1]) AS near_step FROM placed) AS one
    JOIN placed AS other
        ON other.height = one.height
        AND other.width = one.width
        AND other.step = one.near_step
        AND other.colours = one.colours
        AND other.mask_file_key > one.mask_file_key
        AND other.pixel_hash <> one.pixel_hash
        AND other.frame_id <> one.frame_id
    LEFT JOIN unrelated_versions AS unrelated
        ON unrelated.version_id = one.version_id AND unrelated.other_version_id = other.version_id
    WHERE (unrelated.version_id IS NOT NULL OR (one.version_id = other.version_id AND one.split <> other.split))
        AND (
            one.version_id IN (SELECT unnest($version_ids))
            OR other.version_id IN (SELECT unnest($version_ids))
        )
)
SELECT uri_a, timestamp_a, uri_b, timestamp_b
FROM candidates
WHERE highest_iou >= near_iou
QUALIFY row_number() OVER (PARTITION BY uri_a, timestamp_a ORDER BY highest_iou DESC, uri_b, timestamp_b) <= 5
ORDER BY uri_a, timestamp_a, uri_b, timestamp_b;
