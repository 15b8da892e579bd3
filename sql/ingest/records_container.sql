-- One row per element of the array `frames` of the JSON object in each of the given files.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT filename AS path, unnest(CAST(frames AS VARCHAR[])) AS record
FROM read_json(
    paths,
    format = 'unstructured',
    columns = {'frames': 'JSON[]'},
    maximum_object_size = object_size,
    filename = true
);
