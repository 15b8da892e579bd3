-- One row per image file, of a source or a mask, whose header a check has read. uri is as resolved for reading; width and
-- height are as stored; orientation is the EXIF one, 1 where nothing is turned; fingerprint changes with the file; error is
-- what is wrong with it.
CREATE TABLE image_headers (
    uri VARCHAR NOT NULL,
    content_type VARCHAR,
    width INTEGER,
    height INTEGER,
    orientation INTEGER,
    fingerprint VARCHAR,
    error VARCHAR,
    checked_at TIMESTAMP NOT NULL DEFAULT current_localtimestamp()
);

-- One row per frame of a published version that differed from the published one at the last check; frame_id is NULL where
-- the version as a whole differed: in its list of frames or its labels.
CREATE TABLE altered_frames (
    version_id BIGINT NOT NULL,
    frame_id VARCHAR
);

CREATE SEQUENCE mask_pair_keys;

-- One row per two mask images that were compared pixel by pixel. The fingerprints are those of the files at that time; error
-- is why they could not be compared.
CREATE TABLE mask_pairs (
    mask_pair_key BIGINT NOT NULL,
    uri_a VARCHAR NOT NULL,
    timestamp_a BIGINT,
    fingerprint_a VARCHAR,
    uri_b VARCHAR NOT NULL,
    timestamp_b BIGINT,
    fingerprint_b VARCHAR,
    height INTEGER,
    width INTEGER,
    error VARCHAR,
    compared_at TIMESTAMP NOT NULL DEFAULT current_localtimestamp()
);

-- One row per two values that share pixels in two compared masks: the values as stored, like those of mask_values, and the
-- red, green, blue and alpha that are displayed for them.
CREATE TABLE mask_pair_values (
    mask_pair_key BIGINT NOT NULL,
    value_a INTEGER[] NOT NULL,
    value_b INTEGER[] NOT NULL,
    pixels BIGINT NOT NULL,
    colour_a INTEGER[] NOT NULL,
    colour_b INTEGER[] NOT NULL
);

-- One row, the settings of the checks. Regions smaller than small_region pixels are reported; split_key is the key of a frame's
-- meta that names its split; masks with an IoU of at least near_iou are duplicates.
CREATE TABLE check_settings (
    small_region INTEGER NOT NULL DEFAULT 10,
    split_key VARCHAR NOT NULL DEFAULT 'split',
    near_iou DOUBLE NOT NULL DEFAULT 0.99
);
INSERT INTO check_settings DEFAULT VALUES;
