-- One row per frame with a fault, in order of records: record, frame_key and its first fault.
SELECT incoming.record, faults.frame_key, min_by(struct_pack(
    json_path := faults.json_path,
    found := faults.found,
    expected := faults.expected
), faults.json_path) AS fault
FROM faults
JOIN incoming USING (frame_key)
GROUP BY ALL
ORDER BY incoming.record;
