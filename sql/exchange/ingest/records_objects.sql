-- One row per JSON object in the given files, each on as many lines as it likes.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT filename AS path, CAST(json AS VARCHAR) AS record
FROM read_json_objects(paths, format = 'unstructured', maximum_object_size = object_size, filename = true);
