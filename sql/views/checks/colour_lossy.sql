-- One row per mask in JPEG or another format that changes values. `analyze` counts each pixel for the nearest declared
-- value within its tolerance; `count` is the pixels near none.
-- To do: save masks as PNG.
-- Severity: warning. View: version_faults_colours.
SELECT
    *,
    unassigned AS "count",
    content_type || ', which changes values; ' || unassigned || ' pixels are near none that is declared' AS message
FROM declared_masks
WHERE is_lossy
