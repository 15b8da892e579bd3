-- Insert one row per mask of the new and updated frames.
INSERT INTO masks
WITH source_objects AS (
    SELECT
        incoming.frame_key,
        generate_subscripts(staged.sources, 1) - 1 AS source_index,
        from_json(unnest(staged.sources), '{"masks": ["JSON"]}') AS leaf
    FROM staged
    JOIN incoming ON incoming.record = staged.rowid
    WHERE incoming.outcome <> 'unchanged'
),
objects AS (
    SELECT
        frame_key,
        source_index,
        generate_subscripts(leaf.masks, 1) - 1 AS mask_index,
        unnest(leaf.masks) AS mask
    FROM source_objects
),
parsed AS (
    SELECT
        *,
        from_json(
            mask,
            '{"id": "JSON", "uri": "JSON", "content_type": "JSON", "timestamp": "JSON",
              "width": "JSON", "height": "JSON"}'
        ) AS leaf
    FROM objects
),
typed AS (
    SELECT
        *,
        TRY_CAST(CAST(leaf."timestamp" AS VARCHAR) AS BIGINT) AS "timestamp",
        TRY_CAST(CAST(leaf.width AS VARCHAR) AS INTEGER) AS width,
        TRY_CAST(CAST(leaf.height AS VARCHAR) AS INTEGER) AS height
    FROM parsed
),
compared AS (
    SELECT
        *,
        starts_with(CAST(leaf.id AS VARCHAR), '"') AS id_kept,
        starts_with(CAST(leaf.uri AS VARCHAR), '"') AS uri_kept,
        starts_with(CAST(leaf.content_type AS VARCHAR), '"') AS content_type_kept,
        CAST("timestamp" AS VARCHAR) = CAST(leaf."timestamp" AS VARCHAR) AS timestamp_kept,
        width >= 0 AND CAST(width AS VARCHAR) = CAST(leaf.width AS VARCHAR) AS width_kept,
        height >= 0 AND CAST(height AS VARCHAR) = CAST(leaf.height AS VARCHAR) AS height_kept
    FROM typed
)
SELECT
    frame_key,
    source_index,
    mask_index,
    text_or_number(leaf.id),
    text_only(leaf.uri),
    text_only(leaf.content_type),
    whole_number("timestamp", leaf."timestamp"),
    pixels(width, leaf.width),
    pixels(height, leaf.height),
    CASE
        WHEN len(json_keys(mask)) = 0
            + coalesce(id_kept::INTEGER, 0)
            + coalesce(uri_kept::INTEGER, 0)
            + coalesce(content_type_kept::INTEGER, 0)
            + coalesce(timestamp_kept::INTEGER, 0)
            + coalesce(width_kept::INTEGER, 0)
            + coalesce(height_kept::INTEGER, 0)
            AND starts_with(CAST(mask AS VARCHAR), '{')
        THEN NULL
        WHEN starts_with(CAST(mask AS VARCHAR), '{')
        THEN without_keys(mask, [
            CASE WHEN id_kept THEN 'id' END,
            CASE WHEN uri_kept THEN 'uri' END,
            CASE WHEN content_type_kept THEN 'content_type' END,
            CASE WHEN timestamp_kept THEN 'timestamp' END,
            CASE WHEN width_kept THEN 'width' END,
            CASE WHEN height_kept THEN 'height' END
        ])
        ELSE coalesce(mask, 'null')
    END
FROM compared;
