-- One row per frame that Python handed over as JSON text in the Arrow stream memory_records.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT paths[1] AS path, record FROM memory_records;
