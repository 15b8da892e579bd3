-- One row per element of the JSON arrays in the files paths: path, record.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT filename AS path, CAST(json AS VARCHAR) AS record
FROM read_json_objects(paths, format = 'array', maximum_object_size = object_size, filename = true);
