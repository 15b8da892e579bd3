-- One row per frame in hidden_frames, which version $version_id hides, into frame_shadows.
INSERT INTO frame_shadows
SELECT $version_id, frame_key FROM hidden_frames;
