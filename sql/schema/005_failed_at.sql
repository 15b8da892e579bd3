-- When an analysed mask image was last found unreadable.
ALTER TABLE mask_files ADD COLUMN failed_at TIMESTAMP;
