-- One row per element of the JSON arrays in the given files.
CREATE OR REPLACE TEMP MACRO input_records(paths) AS TABLE
SELECT filename AS path, CAST(json AS VARCHAR) AS record
FROM read_json_objects(paths, format = 'array', maximum_object_size = 67108864, filename = true);
