-- One row per JSON text in the Arrow stream memory_records, which holds frames from Python: path, record.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT paths[1] AS path, record FROM memory_records;
