-- Temporary table, one row per fault in the frames from $first_frame_key on: frame_key, json_path, found (the JSON there) and
-- expected. A value that its column does not accept is in extra while the column is NULL; a JSON null is never a fault.
-- found is NULL where a name or key is at fault and not a value: then expected alone is the message.
CREATE OR REPLACE TEMP TABLE faults AS
WITH rules AS (
    SELECT
        frame_key,
        '' AS prefix,
        extra,
        unnest([
            {'key': 'id', 'is_kept': id_given, 'expected': 'a string or a number'},
            {'key': 'context_id', 'is_kept': context_id IS NOT NULL, 'expected': 'a string or a number'},
            {
                'key': 'timestamp',
                'is_kept': "timestamp" IS NOT NULL,
                'expected': 'a whole number of milliseconds within 64 bits'
            },
            {
                'key': 'sources',
                'is_kept': json_array_length(extra, '$.sources') = 0 AND json_type(extra, '$.sources') = 'ARRAY',
                'expected': 'an array of objects'
            },
            {
                'key': 'rois',
                'is_kept': json_array_length(extra, '$.rois') = 0 AND json_type(extra, '$.rois') = 'ARRAY',
                'expected': 'an array of objects'
            }
        ]) AS rule
    FROM frames
    WHERE frame_key >= $first_frame_key AND extra IS NOT NULL
    UNION ALL
    SELECT
        frame_key,
        format('sources[{}].', source_index),
        extra,
        unnest([
            {'key': 'id', 'is_kept': source_id IS NOT NULL, 'expected': 'a string or a number'},
            {'key': 'uri', 'is_kept': uri IS NOT NULL, 'expected': 'a string'},
            {'key': 'content_type', 'is_kept': content_type IS NOT NULL, 'expected': 'a string'},
            {'key': 'width', 'is_kept': width IS NOT NULL, 'expected': 'a whole number of pixels, 0 or more, within 32 bits'},
            {'key': 'height', 'is_kept': height IS NOT NULL, 'expected': 'a whole number of pixels, 0 or more, within 32 bits'},
            {
                'key': 'timestamp',
                'is_kept': "timestamp" IS NOT NULL,
                'expected': 'a whole number of milliseconds within 64 bits'
            },
            {
                'key': 'masks',
                'is_kept': json_array_length(extra, '$.masks') = 0 AND json_type(extra, '$.masks') = 'ARRAY',
                'expected': 'an array of objects'
            },
            {'key': NULL, 'is_kept': json_type(extra) = 'OBJECT', 'expected': 'an object'}
        ])
    FROM sources
    WHERE frame_key >= $first_frame_key AND extra IS NOT NULL
    UNION ALL
    SELECT
        frame_key,
        format('sources[{}].masks[{}].', source_index, mask_index),
        extra,
        unnest([
            {'key': 'id', 'is_kept': mask_id IS NOT NULL, 'expected': 'a string or a number'},
            {'key': 'uri', 'is_kept': uri IS NOT NULL, 'expected': 'a string'},
            {'key': 'content_type', 'is_kept': content_type IS NOT NULL, 'expected': 'a string'},
            {
                'key': 'timestamp',
                'is_kept': "timestamp" IS NOT NULL,
                'expected': 'a whole number of milliseconds within 64 bits'
            },
            {'key': 'width', 'is_kept': width IS NOT NULL, 'expected': 'a whole number of pixels, 0 or more, within 32 bits'},
            {'key': 'height', 'is_kept': height IS NOT NULL, 'expected': 'a whole number of pixels, 0 or more, within 32 bits'},
            {'key': NULL, 'is_kept': json_type(extra) = 'OBJECT', 'expected': 'an object'}
        ])
    FROM masks
    WHERE frame_key >= $first_frame_key AND extra IS NOT NULL
    UNION ALL
    SELECT
        frame_key,
        format('rois[{}].', roi_index),
        extra,
        unnest([
            {'key': 'id', 'is_kept': roi_id IS NOT NULL, 'expected': 'a string or a number'},
            {'key': 'label', 'is_kept': labels IS NOT NULL, 'expected': 'an array of strings'},
            {'key': 'labels', 'is_kept': labels IS NOT NULL, 'expected': 'an array of strings'},
            {'key': 'sources', 'is_kept': sources IS NOT NULL, 'expected': 'an array of source ids'},
            {'key': 'confidence', 'is_kept': confidence IS NOT NULL, 'expected': 'a finite number'},
            {
                'key': 'poly',
                'is_kept': poly IS NOT NULL,
                'expected': 'one flat array of finite numbers, with -999999999 between parts'
            },
            {
                'key': 'rle',
                'is_kept': rle IS NOT NULL,
                'expected': 'COCO''s compressed form, {"size": [height, width], "counts": "..."}, of 1 pixel or more'
            },
            {'key': 'is_crowd', 'is_kept': is_crowd IS NOT NULL, 'expected': 'true or false'},
            {'key': 'mask', 'is_kept': json_type(extra, '$.mask') = 'OBJECT', 'expected': 'an object'},
            {'key': 'mask.id', 'is_kept': mask_id IS NOT NULL, 'expected': 'a string or a number'},
            {
                'key': 'mask.value',
                'is_kept': mask_value IS NOT NULL,
                'expected': 'an array of 1, 3 or 4 whole numbers from -1 to 65535'
            },
            {'key': NULL, 'is_kept': json_type(extra) = 'OBJECT', 'expected': 'an object'}
        ])
    FROM rois
    WHERE frame_key >= $first_frame_key AND extra IS NOT NULL
),
verbatim AS (
    SELECT frame_key, 'meta' AS place, 0 AS owner_index, 0 AS mask_index, meta AS json_value
    FROM frames
    WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, '', 0, 0, extra FROM frames WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, 'sources[{}].meta', source_index, 0, meta FROM sources WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, 'sources[{}].preview', source_index, 0, preview
    FROM sources
    WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, 'sources[{}]', source_index, 0, extra FROM sources WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, 'sources[{}].masks[{}]', source_index, mask_index, extra
    FROM masks
    WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, 'rois[{}].meta', roi_index, 0, meta FROM rois WHERE frame_key >= $first_frame_key
    UNION ALL
    SELECT frame_key, 'rois[{}]', roi_index, 0, extra FROM rois WHERE frame_key >= $first_frame_key
),
-- A few sets of keys recur in all frames, so only one object of each set is checked. Of all JSON texts only those of
-- arrays and objects (and true, false, null) sort after '['.
key_sets AS (
    SELECT hash(json_keys(json_value), json_keys(json_value, '$..*')) AS key_set, any_value(json_value) AS json_value
    FROM verbatim
    WHERE CAST(json_value AS VARCHAR) > '['
    GROUP BY key_set
),
repeating_key_sets AS (
    SELECT key_set
    FROM key_sets
    WHERE len(list_distinct(json_keys(json_value))) < len(json_keys(json_value))
        OR len(list_filter(json_keys(json_value, '$..*'), lambda keys: len(list_distinct(keys)) < len(keys))) > 0
)
SELECT
    frame_key,
    CASE WHEN rule.key IS NULL THEN left(prefix, -1) ELSE prefix || rule.key END AS json_path,
    CAST(CASE WHEN rule.key IS NULL THEN extra ELSE json_extract(extra, '$.' || rule.key) END AS VARCHAR) AS found,
    rule.expected
FROM rules
WHERE NOT coalesce(rule.is_kept, false)
    AND CASE WHEN rule.key IS NULL THEN true ELSE json_type(extra, '$.' || rule.key) <> 'NULL' END
UNION ALL
SELECT
    rois.frame_key,
    format('rois[{}].sources', rois.roi_index),
    CAST(to_json(any_value(rois.sources)) AS VARCHAR),
    coalesce(
        'ids of sources of this frame (' || string_agg(sources.source_id, ', ' ORDER BY sources.source_index) || ')',
        'no source ids, for the sources of this frame have none'
    )
FROM (
    SELECT DISTINCT frame_key, roi_index, sources
    FROM (
        SELECT frame_key, roi_index, sources, unnest(sources) AS source_id
        FROM rois
        WHERE frame_key >= $first_frame_key
    )
    ANTI JOIN sources USING (frame_key, source_id)
) AS rois
LEFT JOIN sources USING (frame_key)
GROUP BY rois.frame_key, rois.roi_index
UNION ALL
SELECT frame_key, format(place, owner_index, mask_index), NULL, 'each key once, but one occurs twice'
FROM verbatim
JOIN repeating_key_sets ON key_set = hash(json_keys(json_value), json_keys(json_value, '$..*'))
UNION ALL
SELECT frame_key, format(place, owner_index, mask_index), NULL, 'JSON, which has no NaN and no Infinity'
FROM verbatim
WHERE regexp_matches(CAST(json_value AS VARCHAR), '(?i)nan|inf')
    AND regexp_matches(
        regexp_replace(CAST(json_value AS VARCHAR), '"([^"\\]|\\.)*"', '""', 'g'), '(?i)nan|inf'
    );
