-- One row per staged frame with its outcome in version $version_id: 'new', 'updated' or 'unchanged'. A frame is also updated
-- where the user named a media_root that differs from the present one. current_* are of the visible frame with the same id.
-- A frame without an id is identified by its context, timestamp, source URIs and its place among the frames of this ingest
-- that have the same three.
CREATE OR REPLACE TEMP TABLE incoming AS
WITH identified AS (
    SELECT rowid AS record, path, content_hash, frame_id, true AS id_given
    FROM staged
    WHERE frame_id IS NOT NULL AND broken IS NULL AND content_hash IS NOT NULL
    UNION ALL
    SELECT
        record,
        path,
        content_hash,
        '~' || md5(to_json([identity, row_number() OVER (PARTITION BY identity ORDER BY record)::VARCHAR])),
        false
    FROM (
        SELECT
            rowid AS record,
            path,
            content_hash,
            CAST(to_json([context_id, "timestamp"::VARCHAR]
                || list_transform(sources, lambda source: source ->> '$.uri')) AS VARCHAR) AS identity
        FROM staged
        WHERE frame_id IS NULL AND broken IS NULL AND content_hash IS NOT NULL
    )
),
current_frames AS (
    SELECT frame_id, frame_key, saved_in_version_id, position, content_hash, media_root
    FROM dataset_frames
    WHERE version_id = $version_id
)
SELECT
    identified.record,
    read_files.input_id,
    identified.frame_id,
    identified.id_given,
    (SELECT coalesce(max(frame_key), 0) + 1 FROM frames) + identified.record AS frame_key,
    coalesce(
        current_frames.position,
        (SELECT coalesce(max(position), -1) + 1 FROM current_frames) + identified.record
    ) AS position,
    CASE
        WHEN current_frames.frame_key IS NULL THEN 'new'
        WHEN current_frames.content_hash = identified.content_hash
            AND (NOT read_files.root_is_given OR current_frames.media_root = read_files.media_root)
        THEN 'unchanged'
        ELSE 'updated'
    END AS outcome,
    current_frames.frame_key AS current_frame_key,
    current_frames.saved_in_version_id AS current_version_id
FROM identified
JOIN read_files ON read_files.read_path = identified.path
LEFT JOIN current_frames ON current_frames.frame_id = identified.frame_id;
