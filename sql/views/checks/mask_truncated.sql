-- One row per mask file that is cut off; `count` is the frames that use it.
-- To do: copy the file again.
-- Severity: error. View: version_faults_files.
SELECT *
FROM faulty_images
WHERE kind = 'mask' AND fault = 'truncated'
