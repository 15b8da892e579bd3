-- One row per distinct frame in `selected`: version_id, frame_key, media_root.
SELECT DISTINCT version_id, frame_key, media_root FROM selected
