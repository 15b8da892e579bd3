-- One row per image file that does not exist; only a warning, because masks are often used without their images.
-- To do: correct the URI, map its prefix with `masksdb media map`, or ignore it where the images are not needed.
-- Severity: warning. View: version_faults_files.
SELECT *
FROM faulty_images
WHERE kind = 'source' AND fault = 'missing'
