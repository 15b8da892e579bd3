-- Insert one row per source of the new and updated frames.
INSERT INTO sources
WITH objects AS (
    SELECT
        incoming.frame_key,
        generate_subscripts(staged.sources, 1) - 1 AS source_index,
        unnest(staged.sources) AS source
    FROM staged
    JOIN incoming ON incoming.record = staged.rowid
    WHERE incoming.outcome <> 'unchanged'
),
parsed AS (
    SELECT
        *,
        from_json(
            source,
            '{"id": "JSON", "uri": "JSON", "content_type": "JSON", "width": "JSON", "height": "JSON",
              "timestamp": "JSON", "preview": "JSON", "meta": "JSON", "masks": ["JSON"]}'
        ) AS leaf
    FROM objects
),
typed AS (
    SELECT
        frame_key,
        source_index,
        source,
        leaf,
        TRY_CAST(CAST(leaf.width AS VARCHAR) AS INTEGER) AS width,
        TRY_CAST(CAST(leaf.height AS VARCHAR) AS INTEGER) AS height,
        TRY_CAST(CAST(leaf."timestamp" AS VARCHAR) AS BIGINT) AS "timestamp"
    FROM parsed
),
compared AS (
    SELECT
        *,
        starts_with(CAST(leaf.id AS VARCHAR), '"') AS id_kept,
        starts_with(CAST(leaf.uri AS VARCHAR), '"') AS uri_kept,
        starts_with(CAST(leaf.content_type AS VARCHAR), '"') AS content_type_kept,
        width >= 0 AND CAST(width AS VARCHAR) = CAST(leaf.width AS VARCHAR) AS width_kept,
        height >= 0 AND CAST(height AS VARCHAR) = CAST(leaf.height AS VARCHAR) AS height_kept,
        CAST("timestamp" AS VARCHAR) = CAST(leaf."timestamp" AS VARCHAR) AS timestamp_kept,
        len(leaf.masks) > 0 AS masks_kept
    FROM typed
)
SELECT
    frame_key,
    source_index,
    text_or_number(leaf.id),
    text_only(leaf.uri),
    text_only(leaf.content_type),
    pixels(width, leaf.width),
    pixels(height, leaf.height),
    whole_number("timestamp", leaf."timestamp"),
    leaf.preview,
    leaf.meta,
    CASE
        WHEN len(json_keys(source)) = 0
            + coalesce(id_kept::INTEGER, 0)
            + coalesce(uri_kept::INTEGER, 0)
            + coalesce(content_type_kept::INTEGER, 0)
            + coalesce(width_kept::INTEGER, 0)
            + coalesce(height_kept::INTEGER, 0)
            + coalesce(timestamp_kept::INTEGER, 0)
            + coalesce(masks_kept::INTEGER, 0)
            + (leaf.preview IS NOT NULL)::INTEGER
            + (leaf.meta IS NOT NULL)::INTEGER
            AND starts_with(CAST(source AS VARCHAR), '{')
        THEN NULL
        WHEN starts_with(CAST(source AS VARCHAR), '{')
        THEN without_keys(source, [
            CASE WHEN id_kept THEN 'id' END,
            CASE WHEN uri_kept THEN 'uri' END,
            CASE WHEN content_type_kept THEN 'content_type' END,
            CASE WHEN width_kept THEN 'width' END,
            CASE WHEN height_kept THEN 'height' END,
            CASE WHEN timestamp_kept THEN 'timestamp' END,
            CASE WHEN masks_kept THEN 'masks' END,
            CASE WHEN leaf.preview IS NOT NULL THEN 'preview' END,
            CASE WHEN leaf.meta IS NOT NULL THEN 'meta' END
        ])
        ELSE coalesce(source, 'null')
    END
FROM compared;
