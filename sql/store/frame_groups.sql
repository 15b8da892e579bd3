-- One row per frame visible in version $version_id: frame_key, group_name (the value of an expression over the frame, as text)
-- and group_key, which is of that frame alone where group_name is NULL.
SELECT
    frame_key,
    group_name,
    CAST(to_json(CASE WHEN group_name IS NULL THEN [NULL, frame_id] ELSE [group_name] END) AS VARCHAR) AS group_key
FROM (
    SELECT frame_key, frame_id, CAST((
{expression}
) AS VARCHAR) AS group_name
    FROM (SELECT *, meta AS frame_meta, "timestamp" AS frame_timestamp FROM dataset_frames)
    WHERE version_id = $version_id
);
