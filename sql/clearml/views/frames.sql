-- One row per frame in `selected`, in order: its place, the query that it matches, its dataset, version and ids,
-- its timestamp and meta.
SELECT
    place,
    query_index,
    dataset,
    version,
    version_id,
    frame_key,
    frame_id,
    context_id,
    "timestamp",
    meta
FROM selected
ORDER BY place
