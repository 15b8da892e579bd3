-- One row per frame of hashed_frames that differs from the ingested frame, into altered_frames: version_id, frame_id.
INSERT INTO altered_frames
SELECT frames.version_id, frames.frame_id
FROM hashed_frames
JOIN frames ON frames.frame_key = hashed_frames.frame_key
WHERE frames.content_hash <> hashed_frames.content_hash;
