-- The hash of what an analysis wrote of a mask image, and changes of the pixels of mask images.
ALTER TABLE mask_files ADD COLUMN facts_hash VARCHAR;

-- One row per time that a mask image had other pixels than at its analysis before: pixel_hash is the hash that it had before,
-- changed_at a time not after the change, as far as the dates of the file and of the analysis say.
CREATE TABLE mask_changes (
    uri VARCHAR NOT NULL,
    "timestamp" BIGINT,
    pixel_hash VARCHAR NOT NULL,
    changed_at TIMESTAMP NOT NULL
);
