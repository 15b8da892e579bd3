-- One row per value of a mask, or ROI with a shape of its own, that fewer pixels have than `--small-region` (10);
-- `count` is the pixels. Often a slip of the pen.
-- To do: remove the region, or lower `--small-region`.
-- Severity: warning. View: version_faults_meaning.
SELECT *
FROM small_regions
WHERE "count" > 0
