-- One row per mask file whose pixels are not those that it had when a version with its frames was published; `count` is
-- the frames.
-- To do: bring back the file, or save the new one under another name for frames of a new version.
-- Severity: error. View: version_faults_files.
SELECT
    images.dataset,
    images.version,
    images.version_id,
    min(images.frame_id) AS frame_id,
    min(images.source_id) AS source_id,
    images.mask_uri,
    count(DISTINCT images.frame_id) AS "count",
    'other pixels than when ' || min(saved_in.name) || ' was published, since '
        || strftime(min(mask_changes.changed_at), '%Y-%m-%d %H:%M:%S') || ' UTC or later' AS message
FROM mask_changes
JOIN images ON same_mask(mask_changes.uri, mask_changes."timestamp", images.mask_uri, images."timestamp")
JOIN versions AS saved_in
    ON saved_in.version_id = images.saved_in_version_id
    AND saved_in.status = 'published'
    AND saved_in.published_at <= mask_changes.changed_at
JOIN mask_files
    ON same_mask(mask_files.uri, mask_files."timestamp", mask_changes.uri, mask_changes."timestamp")
GROUP BY images.dataset, images.version, images.version_id, images.mask_uri, images."timestamp"
HAVING arg_min(mask_changes.pixel_hash, mask_changes.changed_at) <> any_value(mask_files.pixel_hash)
