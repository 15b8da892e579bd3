-- One row per record of $records: record, read_path, record_number (from 1, in its file).
SELECT staged.rowid AS record, staged.path AS read_path, staged.rowid - first_records.record + 1 AS record_number
FROM staged
JOIN (SELECT path, min(rowid) AS record FROM staged GROUP BY path) AS first_records USING (path)
WHERE staged.rowid IN (SELECT unnest($records));
