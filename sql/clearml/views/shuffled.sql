-- One row per frame of `pool`: place, in the order of a hash of $seed and the frame's names, and the columns of
-- pool. The order is the same in every database. Queries take turns by their weights: one with weight 5 gets five
-- places for each place of one with weight 1, as long as it has frames.
SELECT
    row_number() OVER (ORDER BY turn, hash, dataset, version) - 1 AS place,
    frame_once.* EXCLUDE (turn, hash)
FROM (
    SELECT DISTINCT ON (frame_key) *
    FROM (
        SELECT
            *,
            (
                row_number() OVER (PARTITION BY query_index ORDER BY hash, version, frame_key)
                - CAST('0x' || left(hash, 12) AS BIGINT) / CAST(281474976710656 AS DOUBLE)
            ) / weight AS turn
        FROM (SELECT *, md5(to_json([CAST($seed AS VARCHAR), dataset, frame_id])) AS hash FROM pool)
    )
    ORDER BY frame_key, turn, query_index
) AS frame_once
