-- One row: the least mask_file_key above those of all files and regions; regions may be left of a file that somebody deleted.
SELECT coalesce(greatest((SELECT max(mask_file_key) FROM mask_files), (SELECT max(mask_file_key) FROM mask_regions)), 0) + 1;
