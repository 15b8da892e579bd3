-- One row per frame in `selected`, in order: frame_key, version_id.
SELECT frame_key, version_id
FROM selected
ORDER BY place
