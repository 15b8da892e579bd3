-- One row per pair of $frame_keys and $version_ids: frame_key, version_id, frame_id, name and id of the dataset,
-- name of the version, media_root.
SELECT
    frames.frame_key,
    keys.version_id,
    frames.frame_id,
    datasets.name,
    datasets.dataset_id,
    versions.name,
    inputs.media_root
FROM (SELECT unnest($frame_keys) AS frame_key, unnest($version_ids) AS version_id) AS keys
JOIN frames ON frames.frame_key = keys.frame_key
JOIN inputs ON inputs.input_id = frames.input_id
JOIN versions ON versions.version_id = keys.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
