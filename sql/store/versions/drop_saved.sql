-- One row per frame that version $version_id saves, into dropped_frames.
INSERT INTO dropped_frames
SELECT frame_key FROM frames WHERE version_id = $version_id;
