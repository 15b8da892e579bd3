-- One row per ROI whose own run lengths or polygon cover no pixel.
-- To do: remove the ROI, or draw it again.
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
WHERE area = 0
GROUP BY dataset, version, version_id, frame_id, source_id, mask_uri, "value", area
