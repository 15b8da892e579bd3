-- How many frames there are in `pool`: query_index and frames, the query_index being NULL for the frames of any query.
SELECT query_index, count(*) AS frames
FROM pool
GROUP BY query_index
UNION ALL
SELECT NULL, count(DISTINCT frame_key) FROM pool
