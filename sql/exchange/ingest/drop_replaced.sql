-- The frames that version $version_id itself held and now holds in another form.
INSERT INTO dropped_frames
SELECT current_frame_key
FROM incoming
WHERE outcome = 'updated' AND current_version_id = $version_id;
