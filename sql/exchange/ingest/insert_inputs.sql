-- Insert one row per file or stream of this ingest.
INSERT INTO inputs (input_id, path, format, media_root)
SELECT input_id, path, format, media_root
FROM read_files;
