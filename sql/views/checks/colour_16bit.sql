-- One row per mask of 8 bits for which values beyond 255 are declared: cut from 16 bits, so that ids are lost.
-- To do: write the mask again with 16 bits.
-- Severity: error. View: version_faults_colours.
SELECT *, summary || '; 8 bits, and values beyond 255 are declared: cut from 16 bits' AS message
FROM undeclared_masks
WHERE cause = '16bit'
