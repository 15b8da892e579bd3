-- The findings, worst first.
SELECT *
FROM found
ORDER BY
    CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END,
    "check",
    dataset,
    version_id,
    frame_id,
    mask_uri,
    "count" DESC,
    message
