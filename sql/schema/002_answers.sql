-- One row per image file, of a source or a mask, whose header a check has read. uri is as resolved for reading; width and
-- height are as stored; orientation is the EXIF one, 1 where nothing is turned; fingerprint changes with the file; error says
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

-- One row per frame of a published version that was no longer what had been published when a check last looked; frame_id is
-- NULL where it is the version as a whole: a frame is missing or one too many, or its labels have changed.
CREATE TABLE altered_frames (
    version_id BIGINT NOT NULL,
    frame_id VARCHAR
);

CREATE SEQUENCE mask_pair_keys;

-- One row per two mask images that were compared pixel by pixel. The fingerprints are those of the files then; error says
-- why they could not be compared.
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

-- One row per two values that share pixels in two compared masks; values as stored, as mask_values gives them, and beside
-- them the red, green, blue and alpha that they are displayed as.
CREATE TABLE mask_pair_values (
    mask_pair_key BIGINT NOT NULL,
    value_a INTEGER[] NOT NULL,
    value_b INTEGER[] NOT NULL,
    pixels BIGINT NOT NULL,
    colour_a INTEGER[] NOT NULL,
    colour_b INTEGER[] NOT NULL
);

-- One row: what the checks go by. Regions of fewer pixels than small_region are told; split_key is the key of a frame's meta
-- that names its split; masks of an IoU of at least near_iou are the same.
CREATE TABLE check_settings (
    small_region INTEGER NOT NULL DEFAULT 10,
    split_key VARCHAR NOT NULL DEFAULT 'split',
    near_iou DOUBLE NOT NULL DEFAULT 0.99
);
INSERT INTO check_settings DEFAULT VALUES;
