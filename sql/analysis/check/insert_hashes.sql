-- One row per frame of $frame_keys, into hashed_frames, with the hash of the JSON text from sql/store/frame_json.sql.
INSERT INTO hashed_frames
SELECT frame_key, md5(json_normalize(frame))
FROM (
{frame_json}
);
