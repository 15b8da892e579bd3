-- What a query gives of each frame in `selected`, in order.
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
