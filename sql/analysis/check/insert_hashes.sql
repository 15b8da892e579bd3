-- One row per frame of $frame_keys, into hashed_frames, with the hash of its JSON text, which sql/store/frame_json.sql gives.
INSERT INTO hashed_frames
SELECT frame_key, md5(json_normalize(frame))
FROM (
{frame_json}
);
