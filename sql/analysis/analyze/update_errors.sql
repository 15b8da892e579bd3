-- The errors in the Arrow table new_errors (NULL for none any more), of mask images whose facts stay as they are.
UPDATE mask_files
SET error = new_errors.error, failed_at = CASE WHEN new_errors.error IS NOT NULL THEN epoch_ms(epoch_ms(now())) END
FROM new_errors
WHERE mask_files.mask_file_key = new_errors.mask_file_key;
