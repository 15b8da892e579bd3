-- All frames that version $version_id saves.
INSERT INTO dropped_frames
SELECT frame_key FROM frames WHERE version_id = $version_id;
