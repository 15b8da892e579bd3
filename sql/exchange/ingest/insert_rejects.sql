-- Insert one row per record that this ingest refused, bound as lists of equal length.
INSERT INTO rejects
SELECT
    read_files.input_id,
    refused.path,
    refused.line,
    refused.json_path,
    refused.reason,
    refused.record
FROM (
    SELECT
        unnest($read_paths) AS read_path,
        unnest($paths) AS path,
        unnest($lines) AS line,
        unnest($json_paths) AS json_path,
        unnest($reasons) AS reason,
        unnest($records) AS record
) AS refused
JOIN read_files USING (read_path);
