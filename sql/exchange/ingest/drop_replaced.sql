-- Mark for deletion the frames saved in version $version_id itself that this ingest updates.
INSERT INTO dropped_frames
SELECT current_frame_key
FROM incoming
WHERE outcome = 'updated' AND current_version_id = $version_id;
