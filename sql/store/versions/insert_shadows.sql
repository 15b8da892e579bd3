-- Shadows for the frames in hidden_frames, which version $version_id hides from now on.
INSERT INTO frame_shadows
SELECT $version_id, frame_key FROM hidden_frames;
