-- One row per mask with 0 and 255 where 0 and 1 are declared, or the reverse.
-- To do: declare the values that the file has.
-- Severity: error. View: version_faults_colours.
SELECT *, summary || '; 0 and 255 where 0 and 1 are meant, or the reverse' AS message
FROM undeclared_masks
WHERE cause = 'scale'
