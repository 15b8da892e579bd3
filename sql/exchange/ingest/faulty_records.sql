-- One row per frame with a fault, in order of records: record, frame_key and its first fault, those of sources before
-- those of ROIs, which may follow from them.
SELECT
    incoming.record,
    faults.frame_key,
    first(
        struct_pack(json_path := faults.json_path, found := faults.found, expected := faults.expected)
        ORDER BY
            starts_with(faults.json_path, 'rois'),
            starts_with(faults.json_path, 'sources'),
            CAST(regexp_extract_all(faults.json_path, '\[(\d+)\]', 1) AS INTEGER[]),
            faults.json_path
    ) AS fault
FROM faults
JOIN incoming USING (frame_key)
GROUP BY incoming.record, faults.frame_key
ORDER BY incoming.record;
