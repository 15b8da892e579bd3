-- One row per frame of `pool`, by context and time: place and the columns of pool. A frame without a time has that of
-- its first source.
SELECT
    row_number() OVER (
        ORDER BY
            context_id NULLS LAST,
            coalesce(once."timestamp", sources."timestamp") NULLS LAST,
            frame_id,
            dataset,
            version
    ) - 1 AS place,
    once.*
FROM (SELECT DISTINCT ON (frame_key) * FROM pool ORDER BY frame_key, query_index) AS once
LEFT JOIN sources ON sources.frame_key = once.frame_key AND sources.source_index = 0
