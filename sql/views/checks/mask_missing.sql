-- One row per mask file that does not exist; `count` is the frames that use it.
-- To do: correct the URI, or map its prefix with `masksdb media map`.
-- Severity: error. View: version_faults_files.
SELECT *
FROM faulty_images
WHERE kind = 'mask' AND fault = 'missing'
