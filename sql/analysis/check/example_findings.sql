-- One row per example of a finding, worst first: the first three of each check, and in findings how many it has.
SELECT severity, "check", findings, dataset, version, frame_id, mask_uri, "value", "count", message
FROM (
    SELECT
        *,
        count(*) OVER (PARTITION BY severity, "check") AS findings,
        row_number() OVER (
            PARTITION BY severity, "check"
            ORDER BY dataset, version_id, frame_id, mask_uri, "count" DESC, message
        ) AS place
    FROM checked_findings
)
WHERE place <= 3
ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, "check", place
