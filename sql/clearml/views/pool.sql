-- One row per query and frame among `matches`: a frame that several versions show is taken from the newest.
SELECT DISTINCT ON (query_index, frame_key) *
FROM matches
ORDER BY query_index, frame_key, version_id DESC
