-- One row per frame of a version and split: the part that it is in. name is what the split is called; grouped_by is the
-- SQL that gave group_name, and frames of one group are in one part; where it gave NULL the frame is a group of its own.
CREATE TABLE splits (
    version_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    frame_key BIGINT NOT NULL,
    part VARCHAR NOT NULL,
    grouped_by VARCHAR NOT NULL,
    group_name VARCHAR
);
