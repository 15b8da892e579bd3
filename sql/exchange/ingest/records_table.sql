-- One row per row of the Arrow table memory_records, a column being a key of the frame; nulls are absent keys.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT paths[1] AS path, CAST(json_strip_nulls(to_json(memory_records)) AS VARCHAR) AS record FROM memory_records;
