-- One row per value of a mask, or ROI with a shape of its own, that fewer pixels have than `--small-region` (10);
-- `count` is the pixels. Often a slip of the pen.
-- To do: remove the region, or lower `--small-region`.
-- Severity: warning. View: version_faults_meaning.
SELECT
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    mask_uri,
    "value",
    area AS "count",
    area || ' pixels of ' || coalesce(array_to_string(min(labels), ', '), 'no label')
        || coalesce(' ' || CAST("value" AS VARCHAR), '') AS message
FROM small_regions
WHERE area > 0
GROUP BY dataset, version, version_id, frame_id, source_id, mask_uri, "value", area
