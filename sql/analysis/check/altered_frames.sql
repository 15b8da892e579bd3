-- The frames in hashed_frames that are no longer what was ingested, into altered_frames.
INSERT INTO altered_frames
SELECT frames.version_id, frames.frame_id
FROM hashed_frames
JOIN frames ON frames.frame_key = hashed_frames.frame_key
WHERE frames.content_hash <> hashed_frames.content_hash;
