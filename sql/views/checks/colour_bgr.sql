-- One row per mask whose every undeclared value is declared with red and blue exchanged, as OpenCV writes an RGB
-- array.
-- To do: convert to BGR before OpenCV writes the mask, or exchange the channels of the file.
-- Severity: error. View: version_faults_colours.
SELECT *, summary || '; declared with red and blue exchanged: written in BGR order' AS message
FROM undeclared_masks
WHERE cause = 'bgr'
