-- One row per mask with numbers of a palette where colours are declared, or the reverse: a palette expanded on
-- reading, or its indexes saved as grey.
-- To do: declare what the file has: `[3]` is an index, `[0, 128, 0]` a colour.
-- Severity: error. View: version_faults_colours.
SELECT *, summary || '; numbers of a palette where colours are declared, or the reverse' AS message
FROM undeclared_masks
WHERE cause = 'palette'
