-- One row per draw from $first_draw on, $draws of them: place and the columns of `pool`. A draw picks a query by
-- weight, among those that have frames, then any of its frames with equal probability. Both depend on $seed and the
-- number of the draw only, so they are the same in every database.
WITH numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY query_index
            ORDER BY md5(to_json([CAST($seed AS VARCHAR), dataset, frame_id])), version, frame_key
        ) - 1 AS number
    FROM pool
),
sizes AS (
    SELECT query_index, any_value(weight) AS weight, count(*) AS frames FROM pool GROUP BY query_index
),
shares AS (
    SELECT
        query_index,
        frames,
        coalesce(
            sum(weight) OVER (ORDER BY query_index ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0
        ) / (SELECT sum(weight) FROM sizes) AS low
    FROM sizes
),
draws AS (
    SELECT
        place,
        CAST('0x' || left(hash, 12) AS BIGINT) / CAST(281474976710656 AS DOUBLE) AS which_query,
        CAST('0x' || hash[13:24] AS BIGINT) / CAST(281474976710656 AS DOUBLE) AS which_frame
    FROM (
        SELECT range AS place, md5(to_json([CAST($seed AS VARCHAR), CAST(range AS VARCHAR)])) AS hash
        FROM range(CAST($first_draw AS BIGINT), CAST($first_draw AS BIGINT) + CAST($draws AS BIGINT))
    )
),
-- The query is the last one whose share starts at or before the draw. It is looked up in lists, because a join on this
-- condition would compare every draw with every frame.
picked AS (
    SELECT
        draws.place,
        draws.which_frame,
        len(list_filter(ordered.lows, lambda low: low <= draws.which_query)) AS choice,
        ordered.queries[choice] AS query_index,
        ordered.sizes[choice] AS frames
    FROM draws
    CROSS JOIN (
        SELECT
            list(low ORDER BY query_index) AS lows,
            list(query_index ORDER BY query_index) AS queries,
            list(frames ORDER BY query_index) AS sizes
        FROM shares
    ) AS ordered
)
SELECT picked.place, numbered.* EXCLUDE (number)
FROM picked
JOIN numbered
    ON numbered.query_index = picked.query_index
    AND numbered.number = CAST(floor(picked.which_frame * picked.frames) AS BIGINT)
