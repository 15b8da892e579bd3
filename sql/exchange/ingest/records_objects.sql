-- One row per JSON object in the files paths, on one line or several: path, record.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT filename AS path, CAST(json AS VARCHAR) AS record
FROM read_json_objects(paths, format = 'unstructured', maximum_object_size = object_size, filename = true);
