-- Insert one row per record that the macro input_records reads from $paths, in the order of the files. $object_size is the
-- size in bytes that DuckDB's reader has room for; a record of more than $record_limit bytes is not parsed, and so is broken.
INSERT INTO staged
WITH parsed AS (
    SELECT
        path,
        record,
        TRY(from_json(
            parsable,
            '{"id": "JSON", "context_id": "JSON", "timestamp": "JSON", "meta": "JSON",
              "sources": ["JSON"], "rois": ["JSON"]}'
        )) AS leaf,
        TRY(json_keys(parsable)) AS keys,
        TRY(md5(json_normalize(parsable))) AS content_hash
    FROM (
        SELECT *, CASE WHEN strlen(record) <= $record_limit THEN record END AS parsable
        FROM input_records($paths, $object_size)
    )
),
typed AS (
    SELECT
        *,
        len(keys) = 0
            + (leaf.id IS NOT NULL)::INTEGER
            + (leaf.context_id IS NOT NULL)::INTEGER
            + (leaf."timestamp" IS NOT NULL)::INTEGER
            + (leaf.meta IS NOT NULL)::INTEGER
            + (leaf.sources IS NOT NULL)::INTEGER
            + (leaf.rois IS NOT NULL)::INTEGER
            AND coalesce(starts_with(CAST(leaf.id AS VARCHAR), '"'), true)
            AND coalesce(starts_with(CAST(leaf.context_id AS VARCHAR), '"'), true)
            AND TRY_CAST(CAST(leaf."timestamp" AS VARCHAR) AS BIGINT)::VARCHAR
                IS NOT DISTINCT FROM CAST(leaf."timestamp" AS VARCHAR)
            AND coalesce(len(leaf.sources) > 0, true)
            AND coalesce(len(leaf.rois) > 0, true) AS is_plain
    FROM parsed
)
SELECT
    path,
    CASE
        WHEN content_hash IS NULL THEN nullif(trim(record, E' \t\r\n'), '')
        WHEN coalesce(leaf.id, leaf.context_id, leaf."timestamp", leaf.meta) IS NULL
            AND leaf.sources IS NULL
            AND leaf.rois IS NULL
            AND NOT list_has_any(keys, ['id', 'context_id', 'timestamp', 'meta', 'sources', 'rois'])
        THEN record
    END AS broken,
    content_hash,
    text_or_number(leaf.id),
    text_or_number(leaf.context_id),
    whole_number(TRY_CAST(CAST(leaf."timestamp" AS VARCHAR) AS BIGINT), leaf."timestamp"),
    leaf.meta,
    CASE
        WHEN NOT is_plain
        THEN without_keys(record, [
            CASE WHEN starts_with(CAST(leaf.id AS VARCHAR), '"') THEN 'id' END,
            CASE WHEN starts_with(CAST(leaf.context_id AS VARCHAR), '"') THEN 'context_id' END,
            CASE
                WHEN CAST(TRY_CAST(CAST(leaf."timestamp" AS VARCHAR) AS BIGINT) AS VARCHAR)
                    = CAST(leaf."timestamp" AS VARCHAR)
                THEN 'timestamp'
            END,
            CASE WHEN leaf.meta IS NOT NULL THEN 'meta' END,
            CASE WHEN len(leaf.sources) > 0 THEN 'sources' END,
            CASE WHEN len(leaf.rois) > 0 THEN 'rois' END
        ])
    END,
    leaf.sources,
    leaf.rois
FROM typed;
