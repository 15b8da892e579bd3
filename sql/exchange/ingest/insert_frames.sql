-- Insert one row per new or updated frame.
INSERT INTO frames
SELECT
    incoming.frame_key,
    $version_id,
    incoming.position,
    incoming.frame_id,
    incoming.id_given,
    staged.context_id,
    staged."timestamp",
    staged.meta,
    staged.extra,
    staged.content_hash,
    incoming.input_id,
    CASE WHEN staged.context_id IS NULL THEN text_only(json_extract(staged.sources[1], '$.uri')) END
FROM staged
JOIN incoming ON incoming.record = staged.rowid
WHERE incoming.outcome <> 'unchanged';
