-- Deletes the rows of mask_files and mask_regions for the mask images in the Arrow table new_files. Those that had other pixels
-- have a row in mask_changes. A file says in its fingerprint when it was written, unless it was given the date of the one before.
CREATE OR REPLACE TEMP TABLE old_files AS
SELECT
    mask_files.mask_file_key,
    mask_files.uri,
    mask_files."timestamp",
    mask_files.pixel_hash,
    -- What another decoder makes of a lossy file is no change.
    mask_files.pixel_hash IS DISTINCT FROM new_files.pixel_hash
        AND (mask_files.fingerprint <> new_files.fingerprint OR NOT coalesce(mask_files.is_lossy, false)) AS is_changed,
    CASE
        WHEN mask_files.fingerprint <> new_files.fingerprint AND regexp_full_match(new_files.fingerprint, '\d+-\d+')
        THEN greatest(
            mask_files.analyzed_at,
            make_timestamp(TRY_CAST(split_part(new_files.fingerprint, '-', 2) AS BIGINT) // 1000)
        )
        ELSE epoch_ms(epoch_ms(now()))
    END AS changed_at
FROM mask_files
JOIN new_files
    ON same_mask(mask_files.uri, mask_files."timestamp", new_files.uri, new_files."timestamp");
INSERT INTO mask_changes
SELECT uri, "timestamp", pixel_hash, changed_at
FROM old_files
WHERE is_changed AND pixel_hash IS NOT NULL;
DELETE FROM mask_regions WHERE mask_file_key IN (SELECT mask_file_key FROM old_files);
DELETE FROM mask_files WHERE mask_file_key IN (SELECT mask_file_key FROM old_files);
DROP TABLE old_files;
