-- Deletes the rows of mask_files and mask_regions for the mask images in the Arrow table new_files.
CREATE OR REPLACE TEMP TABLE old_files AS
SELECT mask_files.mask_file_key
FROM mask_files
JOIN new_files
    ON same_mask(mask_files.uri, mask_files."timestamp", new_files.uri, new_files."timestamp");
DELETE FROM mask_regions WHERE mask_file_key IN (SELECT mask_file_key FROM old_files);
DELETE FROM mask_files WHERE mask_file_key IN (SELECT mask_file_key FROM old_files);
DROP TABLE old_files;
