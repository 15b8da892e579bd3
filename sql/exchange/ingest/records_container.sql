-- One row per element of the array `frames` of the JSON object in each of the files paths: path, record. An object without
-- such an array, or with the keys of a frame beside it, is one row that stands for that fault.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT path, coalesce(record, 'null') AS record
FROM (
    SELECT
        filename AS path,
        unnest(
            CASE
                WHEN frames IS NULL OR sources IS NOT NULL OR rois IS NOT NULL THEN ['{"no frames": null}']
                ELSE CAST(frames AS VARCHAR[])
            END
        ) AS record
    FROM read_json(
        paths,
        format = 'unstructured',
        columns = {'frames': 'JSON[]', 'sources': 'JSON', 'rois': 'JSON'},
        maximum_object_size = object_size,
        filename = true
    )
);
