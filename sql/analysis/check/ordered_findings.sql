-- One row per finding, worst first.
SELECT *
FROM checked_findings
ORDER BY
    CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END,
    "check",
    dataset,
    version_id,
    frame_id,
    mask_uri,
    "count" DESC,
    message
