-- One row per frame of a version and split: its part. name is the name of the split; group_name is the value of the SQL
-- expression grouped_by, and frames of one group are in one part; a frame whose group_name is NULL is a group of its own.
CREATE TABLE splits (
    version_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    frame_key BIGINT NOT NULL,
    part VARCHAR NOT NULL,
    grouped_by VARCHAR NOT NULL,
    group_name VARCHAR
);
