-- One row per record of $records: where it was read and its number in that file, from 1.
SELECT staged.rowid AS record, staged.path AS read_path, staged.rowid - first_records.record + 1 AS record_number
FROM staged
JOIN (SELECT path, min(rowid) AS record FROM staged GROUP BY path) AS first_records USING (path)
WHERE staged.rowid IN (SELECT unnest($records));
