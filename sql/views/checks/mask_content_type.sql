-- One row per mask file whose content is another kind of image than its `content_type` says.
-- To do: correct the `content_type` in the frames.
-- Severity: warning. View: version_faults_files.
SELECT *
FROM mistyped_images
WHERE kind = 'mask'
