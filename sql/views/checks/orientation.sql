-- One row per mask whose image EXIF turns and not the mask, or the reverse: a reader that turns images shows them
-- apart.
-- To do: turn the pixels themselves, and remove the EXIF orientation.
-- Severity: warning. View: version_faults_files.
SELECT *, 'EXIF orientation ' || orientation || ', and its source ' || source_orientation AS message
FROM misfitting_masks
WHERE orientation <> source_orientation
