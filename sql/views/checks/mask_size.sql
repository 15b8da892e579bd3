-- One row per mask that has another size than its image, or than the frame says where the image cannot be read.
-- To do: export the mask again at the size of the image.
-- Severity: error. View: version_faults_files.
SELECT *, width || ' x ' || height || ' pixels, and its source ' || source_width || ' x ' || source_height AS message
FROM misfitting_masks
WHERE orientation = source_orientation
