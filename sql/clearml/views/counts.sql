-- One row per query with frames in `pool`: query_index and its number of frames; and one row with query_index NULL
-- for the frames of all queries, each counted once.
SELECT query_index, count(*) AS frames
FROM pool
GROUP BY query_index
UNION ALL
SELECT NULL, count(DISTINCT frame_key) FROM pool
