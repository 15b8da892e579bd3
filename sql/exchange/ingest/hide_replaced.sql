-- Mark the inherited frames that this ingest updates: version $version_id now has its own.
INSERT INTO hidden_frames
SELECT current_frame_key
FROM incoming
WHERE outcome = 'updated' AND current_version_id <> $version_id;
