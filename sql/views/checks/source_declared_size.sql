-- One row per image file whose size is not the declared `width` and `height`, at which polygons are drawn; of a turned
-- image the size as shown is right, too.
-- To do: correct the size in the frames.
-- Severity: error. View: version_faults_files.
SELECT *
FROM missized_images
WHERE kind = 'source'
