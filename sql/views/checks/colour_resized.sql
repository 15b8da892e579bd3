-- One row per mask with many rare values, each on the line between two declared ones: scaled with interpolation.
-- To do: scale the original again with the nearest neighbour.
-- Severity: error. View: version_faults_colours.
SELECT *, summary || '; mixed from two neighbours: resized with interpolation' AS message
FROM undeclared_masks
WHERE cause = 'resized'
