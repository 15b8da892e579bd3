-- One row per mask file whose rows in `mask_files` and `mask_regions` are not those that its analysis wrote; `count` is the
-- frames that use it.
-- To do: find the SQL that changed them, and make them anew with `masksdb check --rehash`.
-- Severity: error. View: version_faults_files.
SELECT
    images.dataset,
    images.version,
    images.version_id,
    min(images.frame_id) AS frame_id,
    min(images.source_id) AS source_id,
    images.mask_uri,
    count(DISTINCT images.frame_id) AS "count",
    'its rows in mask_files and mask_regions are not those that its analysis wrote' AS message
FROM (
    SELECT mask_files.uri, mask_files."timestamp"
    FROM mask_files
    LEFT JOIN mask_region_hashes(0) AS hashes ON hashes.mask_file_key = mask_files.mask_file_key
    -- Files that were analysed before there were such hashes have none.
    GROUP BY mask_files.uri, mask_files."timestamp"
    HAVING count(*) > 1 OR any_value(mask_files.facts_hash <> mask_facts_hash(
            hashes.regions_hash,
            mask_files.content_type,
            mask_files.height,
            mask_files.width,
            mask_files.mode,
            mask_files.is_video,
            mask_files.is_lossy,
            mask_files.pixel_hash,
            mask_files.unassigned
        ))
) AS altered_files
JOIN images ON same_mask(altered_files.uri, altered_files."timestamp", images.mask_uri, images."timestamp")
GROUP BY images.dataset, images.version, images.version_id, images.mask_uri, images."timestamp"
