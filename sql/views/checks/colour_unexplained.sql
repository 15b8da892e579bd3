-- One row per mask with undeclared values of which no other check of colours names the cause.
-- To do: declare the values, if only with `"ignore": true` in `mask_labels`, or correct the mask.
-- Severity: error. View: version_faults_colours.
SELECT *, summary AS message
FROM undeclared_masks
WHERE cause = 'unexplained'
