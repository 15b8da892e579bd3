-- One row per frame of $frame_keys, in that order: frame_key and the frame's JSON text as it was ingested, except for
-- white space and the order of keys. Members that extra does not hold verbatim come from the columns.
WITH requested AS (
    SELECT unnest($frame_keys) AS frame_key, generate_subscripts($frame_keys, 1) AS place
),
mask_objects AS (
    SELECT
        frame_key,
        source_index,
        string_agg(
            CASE
                WHEN json_type(extra) <> 'OBJECT' THEN CAST(extra AS VARCHAR)
                ELSE '{' || concat_ws(
                    ',',
                    member('id', to_json(mask_id), extra),
                    member('content_type', to_json(content_type), extra),
                    member('uri', to_json(uri), extra),
                    member('timestamp', "timestamp", extra),
                    member('width', width, extra),
                    member('height', height, extra),
                    members_of(extra)
                ) || '}'
            END,
            ',' ORDER BY mask_index
        ) AS masks
    FROM masks
    WHERE frame_key IN (SELECT frame_key FROM requested)
    GROUP BY frame_key, source_index
),
source_objects AS (
    SELECT
        frame_key,
        string_agg(
            CASE
                WHEN json_type(extra) <> 'OBJECT' THEN CAST(extra AS VARCHAR)
                ELSE '{' || concat_ws(
                    ',',
                    member('id', to_json(source_id), extra),
                    member('content_type', to_json(content_type), extra),
                    member('width', width, extra),
                    member('height', height, extra),
                    member('uri', to_json(uri), extra),
                    member('timestamp', "timestamp", extra),
                    member('preview', preview, extra),
                    member('meta', meta, extra),
                    '"masks":[' || masks || ']',
                    members_of(extra)
                ) || '}'
            END,
            ',' ORDER BY source_index
        ) AS sources
    FROM sources
    LEFT JOIN mask_objects USING (frame_key, source_index)
    WHERE frame_key IN (SELECT frame_key FROM requested)
    GROUP BY frame_key
),
roi_objects AS (
    SELECT
        frame_key,
        string_agg(
            CASE
                WHEN json_type(extra) <> 'OBJECT' THEN CAST(extra AS VARCHAR)
                ELSE '{' || concat_ws(
                    ',',
                    member('id', to_json(roi_id), extra),
                    member('sources', to_json(sources), extra),
                    CASE WHEN coalesce(json_type(extra, '$.labels'), 'NULL') = 'NULL'
                        THEN member('label', to_json(labels), extra)
                    END,
                    member('confidence', to_json(confidence), extra),
                    member('poly', to_json(poly), extra),
                    member('rle', to_json(rle), extra),
                    member('is_crowd', to_json(is_crowd), extra),
                    member('meta', meta, extra),
                    CASE
                        WHEN coalesce(json_type(mask_extra), 'OBJECT') = 'OBJECT'
                            AND (mask_id IS NOT NULL OR mask_value IS NOT NULL OR mask_extra IS NOT NULL)
                        THEN '"mask":{' || concat_ws(
                            ',',
                            member('id', to_json(mask_id), mask_extra),
                            member('value', to_json(mask_value), mask_extra),
                            members_of(mask_extra)
                        ) || '}'
                    END,
                    members_of(
                        CASE WHEN json_type(mask_extra) = 'OBJECT' THEN without_keys(extra, ['mask']) ELSE extra END
                    )
                ) || '}'
            END,
            ',' ORDER BY roi_index
        ) AS rois
    FROM (
        SELECT *, json_extract(extra, '$.mask') AS mask_extra
        FROM rois
        WHERE frame_key IN (SELECT frame_key FROM requested)
    )
    GROUP BY frame_key
)
SELECT
    frame_key,
    '{' || concat_ws(
        ',',
        CASE WHEN id_given THEN member('id', to_json(frame_id), extra) END,
        member('timestamp', "timestamp", extra),
        member('context_id', to_json(context_id), extra),
        member('meta', meta, extra),
        '"sources":[' || sources || ']',
        '"rois":[' || rois || ']',
        members_of(extra)
    ) || '}' AS frame
FROM requested
JOIN frames USING (frame_key)
LEFT JOIN source_objects USING (frame_key)
LEFT JOIN roi_objects USING (frame_key)
ORDER BY place;
