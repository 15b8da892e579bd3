-- One row per frame of $frame_keys, from $first_frame_key to $last_frame_key, whose rows are not those that ingest makes of its
-- JSON, into altered_frames: version_id, frame_id. hashed_frames has the hashes of the JSON that the rows give now. They do not
-- cover what follows from other columns: the masks of a ROI, its kind, indexes, the first source's URI, and the columns of
-- values that extra keeps verbatim.
INSERT INTO altered_frames
WITH resolved (
    frame_key, roi_index, source_index, mask_index, source_id, mask_id, uri, content_type, "timestamp", labels,
    class_labels, mask_value, confidence, matched_by, source_uri, source_width, source_height
) AS (
{roi_masks}
),
-- One row per source, mask or ROI: its place among those beside it, and whether a column is not what extra says.
parts AS (
    SELECT
        frame_key,
        'source' AS part,
        source_index AS place,
        is_other_id(source_id, json_extract(extra, '$.id'))
            OR is_other_text(uri, json_extract(extra, '$.uri'))
            OR is_other_text(content_type, json_extract(extra, '$.content_type'))
            OR is_other_size(width, json_extract(extra, '$.width'))
            OR is_other_size(height, json_extract(extra, '$.height'))
            OR is_other_time("timestamp", json_extract(extra, '$.timestamp')) AS is_other
    FROM sources
    UNION ALL
    SELECT
        frame_key,
        'mask of source ' || source_index,
        mask_index,
        is_other_id(mask_id, json_extract(extra, '$.id'))
            OR is_other_text(uri, json_extract(extra, '$.uri'))
            OR is_other_text(content_type, json_extract(extra, '$.content_type'))
            OR is_other_size(width, json_extract(extra, '$.width'))
            OR is_other_size(height, json_extract(extra, '$.height'))
            OR is_other_time("timestamp", json_extract(extra, '$.timestamp'))
    FROM masks
    UNION ALL
    SELECT
        frame_key,
        'roi',
        roi_index,
        is_other_id(roi_id, json_extract(extra, '$.id'))
            OR is_other(sources, json_extract(extra, '$.sources'), text_list(NULL, false, json_extract(extra, '$.sources')))
            OR is_other_poly(poly, json_extract(extra, '$.poly'))
            OR is_other_crowd(is_crowd, json_extract(extra, '$.is_crowd'))
            OR rle.counts <> json_extract_string(extra, '$.rle.counts')
            OR CAST(rle.size AS DOUBLE[]) <> TRY_CAST(json_extract(extra, '$.rle.size') AS DOUBLE[])
            OR kind <> CASE
                WHEN mask_id IS NOT NULL OR mask_value IS NOT NULL OR len(json_keys(extra, '$.mask')) > 0 THEN 'mask'
                WHEN rle IS NOT NULL OR json_type(extra, '$.rle') <> 'NULL' THEN 'rle'
                WHEN poly IS NOT NULL OR json_type(extra, '$.poly') <> 'NULL' THEN 'poly'
                WHEN list_has_any(
                    json_keys(extra),
                    ['ellipse2d_xyrrt', 'points2d_xy', 'points3d_xyz', 'poly3d_xyz', 'box3d_xyzwhxyzwh']
                )
                THEN 'shape'
                ELSE 'label'
            END
    FROM rois
),
altered AS (
    SELECT frame_key
    FROM hashed_frames
    JOIN frames USING (frame_key)
    WHERE frames.content_hash <> hashed_frames.content_hash
    UNION ALL
    SELECT frame_key
    FROM (SELECT frame_key, sum(hash(resolved)) AS hash FROM resolved GROUP BY frame_key) AS expected
    FULL JOIN (
        SELECT frame_key, sum(hash(roi_masks)) AS hash
        FROM roi_masks
        WHERE frame_key BETWEEN $first_frame_key AND $last_frame_key
        GROUP BY frame_key
    ) AS stored USING (frame_key)
    WHERE expected.hash IS DISTINCT FROM stored.hash
    UNION ALL
    SELECT frame_key
    FROM parts
    WHERE frame_key BETWEEN $first_frame_key AND $last_frame_key
    GROUP BY frame_key, part
    HAVING max(place) <> count(*) - 1 OR count(DISTINCT place) <> count(*) OR bool_or(is_other)
    UNION ALL
    SELECT frame_key
    FROM frames
    LEFT JOIN (SELECT frame_key, uri FROM sources WHERE source_index = 0) AS first_sources USING (frame_key)
    WHERE frame_key BETWEEN $first_frame_key AND $last_frame_key
        AND (
            frames.first_source_uri IS DISTINCT FROM CASE WHEN frames.context_id IS NULL THEN first_sources.uri END
            OR is_other_id(context_id, json_extract(extra, '$.context_id'))
            OR is_other_time("timestamp", json_extract(extra, '$.timestamp'))
        )
)
SELECT version_id, frame_id
FROM frames
WHERE frame_key IN (SELECT frame_key FROM altered) AND frame_key IN (SELECT unnest($frame_keys));
