-- One row per row of the Arrow table memory_records, whose columns are keys of the frame: path, record. A null is an absent key.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT paths[1] AS path, CAST(json_strip_nulls(to_json(memory_records)) AS VARCHAR) AS record FROM memory_records;
