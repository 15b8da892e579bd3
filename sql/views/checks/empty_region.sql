-- One row per ROI whose own run lengths or polygon cover no pixel.
-- To do: remove the ROI, or draw it again.
-- Severity: warning. View: version_faults_meaning.
SELECT *
FROM small_regions
WHERE "count" = 0
