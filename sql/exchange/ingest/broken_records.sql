-- One row per staged record that is not a frame: record, read_path, record_number (from 1, in its file), text.
SELECT
    staged.rowid AS record,
    staged.path AS read_path,
    staged.rowid - first_records.record + 1 AS record_number,
    staged.broken AS text
FROM staged
JOIN (SELECT path, min(rowid) AS record FROM staged GROUP BY path) AS first_records USING (path)
WHERE staged.broken IS NOT NULL
ORDER BY record;
