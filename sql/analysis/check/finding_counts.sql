-- One row per severity, worst first, and check: severity, check and the number of findings.
SELECT severity, "check", count(*)
FROM checked_findings
GROUP BY severity, "check"
ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, "check";
