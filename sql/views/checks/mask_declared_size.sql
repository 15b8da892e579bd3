-- One row per mask file whose size is not the declared `width` and `height`; of a turned image the size as shown is
-- right, too.
-- To do: correct the size in the frames.
-- Severity: error. View: version_faults_files.
SELECT *
FROM missized_images
WHERE kind = 'mask'
