-- The inherited frames that version $version_id now holds in a form of its own.
INSERT INTO hidden_frames
SELECT current_frame_key
FROM incoming
WHERE outcome = 'updated' AND current_version_id <> $version_id;
