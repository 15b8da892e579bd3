-- One row per frame of `pool`, by a hash of $seed and its names: place and the columns of pool. The order is the same
-- in every database. Queries take turns by their weights: of one with weight 5 come five frames for each frame of one
-- with weight 1, for as long as it has any.
SELECT
    row_number() OVER (ORDER BY turn, hash, dataset, version) - 1 AS place,
    once.* EXCLUDE (turn, hash)
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
) AS once
