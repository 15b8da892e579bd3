-- One row per mask image that is visible in version $version_id and dataset $dataset (NULL: in any): uri, timestamp, and the
-- mask_file_key, error, fingerprint, snap_key, is_lossy and has_rle of its analysis, where it has one.
SELECT
    visible_masks.uri,
    visible_masks."timestamp",
    mask_files.mask_file_key,
    mask_files.error,
    mask_files.fingerprint,
    mask_files.snap_key,
    mask_files.is_lossy,
    -- A lossy file without any declared value has no regions, and so no run lengths to wait for.
    coalesce(with_rle.has_rle, mask_files.mask_file_key IS NOT NULL) AS has_rle
FROM (
    SELECT DISTINCT mask_uri AS uri, mask."timestamp" AS "timestamp"
    FROM frame_masks
    WHERE mask_uri IS NOT NULL
        AND ($dataset IS NULL OR dataset = $dataset)
        AND ($version_id IS NULL OR version_id = $version_id)
) AS visible_masks
LEFT JOIN mask_files
    ON same_mask(mask_files.uri, mask_files."timestamp", visible_masks.uri, visible_masks."timestamp")
LEFT JOIN (SELECT mask_file_key, bool_and(rle IS NOT NULL) AS has_rle FROM mask_regions GROUP BY mask_file_key) AS with_rle
    ON with_rle.mask_file_key = mask_files.mask_file_key
-- One row even where somebody has copied the analysis.
QUALIFY row_number() OVER (PARTITION BY visible_masks.uri, visible_masks."timestamp" ORDER BY mask_files.mask_file_key) = 1
ORDER BY visible_masks.uri, visible_masks."timestamp";
