-- One row per image file that is not an image, or a damaged one; `message` says why.
-- To do: replace the file.
-- Severity: error. View: version_faults_files.
SELECT *
FROM faulty_images
WHERE kind = 'source' AND fault = 'unreadable'
