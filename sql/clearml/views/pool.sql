-- One row per query and frame in `matches`; a frame that several versions show is taken from the newest version.
SELECT DISTINCT ON (query_index, frame_key) *
FROM matches
ORDER BY query_index, frame_key, version_id DESC
