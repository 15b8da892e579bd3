-- One row per id of $frame_ids that no frame visible in version $version_id has.
SELECT frame_id
FROM (SELECT unnest($frame_ids) AS frame_id)
ANTI JOIN (SELECT frame_id FROM dataset_frames WHERE version_id = $version_id) AS visible USING (frame_id);
