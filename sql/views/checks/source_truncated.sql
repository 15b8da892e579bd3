-- One row per image file that is cut off: a PNG without its end, or a JPEG without its end mark in the last 4 KB.
-- To do: copy the file again.
-- Severity: error. View: version_faults_files.
SELECT *
FROM faulty_images
WHERE kind = 'source' AND fault = 'truncated'
