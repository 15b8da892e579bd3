-- One row per frame of `pool`: place, in the order of context id and timestamp, and the columns of pool. A frame
-- without a timestamp has that of its first source.
SELECT
    row_number() OVER (
        ORDER BY
            context_id NULLS LAST,
            coalesce(frame_once."timestamp", sources."timestamp") NULLS LAST,
            frame_id,
            dataset,
            version
    ) - 1 AS place,
    frame_once.*
FROM (SELECT DISTINCT ON (frame_key) * FROM pool ORDER BY frame_key, query_index) AS frame_once
LEFT JOIN sources ON sources.frame_key = frame_once.frame_key AND sources.source_index = 0
