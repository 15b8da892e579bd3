-- The tables of a masksdb file; times are UTC. Plain DuckDB 1.4 SQL; large tables carry no index, because frame_key grows
-- with every insert and row-group statistics find a frame as fast as an index would, at no cost to ingest.

CREATE SEQUENCE dataset_ids;
CREATE SEQUENCE version_ids;
CREATE SEQUENCE input_ids;

-- One row per dataset.
CREATE TABLE datasets (
    dataset_id BIGINT PRIMARY KEY DEFAULT nextval('dataset_ids'),
    name VARCHAR NOT NULL UNIQUE,
    project VARCHAR,
    description VARCHAR,
    tags VARCHAR[],
    created_at TIMESTAMP NOT NULL DEFAULT epoch_ms(epoch_ms(now()))
);

-- One row per version of a dataset. status is 'draft' or 'published'; metadata holds mask_labels;
-- content_hash is the hash of the published content. saved_hash is the XOR of the hashes of the frames and shadows that the
-- version saves; every write keeps it up to date, so that publishing need not read the frames.
CREATE TABLE versions (
    version_id BIGINT PRIMARY KEY DEFAULT nextval('version_ids'),
    dataset_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'published')),
    comment VARCHAR,
    metadata JSON,
    created_at TIMESTAMP NOT NULL DEFAULT epoch_ms(epoch_ms(now())),
    published_at TIMESTAMP,
    content_hash VARCHAR,
    saved_hash VARCHAR NOT NULL DEFAULT '0',
    UNIQUE (dataset_id, name)
);

-- One row per parent of a version. Where two parents hold a frame_id, the lower position wins.
CREATE TABLE version_parents (
    version_id BIGINT NOT NULL,
    position INTEGER NOT NULL,
    parent_id BIGINT NOT NULL
);

-- One row per version and ancestor, the version itself included at rank 0. hides is true where the ancestor's
-- frame_shadows apply to the version: not those behind a merge of parents, which has shadows of its own for all hidden frames.
CREATE TABLE version_lineage (
    version_id BIGINT NOT NULL,
    ancestor_id BIGINT NOT NULL,
    rank INTEGER NOT NULL,
    hides BOOLEAN NOT NULL
);

-- One row per ingested file or call. Relative URIs of its frames are relative to media_root.
CREATE TABLE inputs (
    input_id BIGINT PRIMARY KEY DEFAULT nextval('input_ids'),
    path VARCHAR NOT NULL,
    format VARCHAR NOT NULL,
    media_root VARCHAR,
    content_hash VARCHAR,
    ingested_at TIMESTAMP NOT NULL DEFAULT epoch_ms(epoch_ms(now()))
);

-- One row per frame as saved in a version. id_given is false where frame_id was derived from the content;
-- extra holds what the typed columns cannot reproduce; content_hash is the MD5 of the frame's JSON with
-- sorted keys and no white space; first_source_uri is the context_id of a frame without one.
CREATE TABLE frames (
    frame_key BIGINT NOT NULL,
    version_id BIGINT NOT NULL,
    position BIGINT NOT NULL,
    frame_id VARCHAR NOT NULL,
    id_given BOOLEAN NOT NULL,
    context_id VARCHAR,
    "timestamp" BIGINT,
    meta JSON,
    extra JSON,
    content_hash VARCHAR NOT NULL,
    input_id BIGINT NOT NULL,
    first_source_uri VARCHAR
);

-- One row per ancestor's frame that a version replaces or deletes.
CREATE TABLE frame_shadows (
    version_id BIGINT NOT NULL,
    frame_key BIGINT NOT NULL
);

-- One row per source (camera, image) of a frame. uri is as ingested; timestamp is in milliseconds.
CREATE TABLE sources (
    frame_key BIGINT NOT NULL,
    source_index INTEGER NOT NULL,
    source_id VARCHAR,
    uri VARCHAR,
    content_type VARCHAR,
    width INTEGER,
    height INTEGER,
    "timestamp" BIGINT,
    preview JSON,
    meta JSON,
    extra JSON
);

-- One row per mask file of a source. uri is as ingested; timestamp is in milliseconds.
CREATE TABLE masks (
    frame_key BIGINT NOT NULL,
    source_index INTEGER NOT NULL,
    mask_index INTEGER NOT NULL,
    mask_id VARCHAR,
    uri VARCHAR,
    content_type VARCHAR,
    "timestamp" BIGINT,
    width INTEGER,
    height INTEGER,
    extra JSON
);

-- One row per ROI (annotation) of a frame. kind is 'mask', 'rle', 'poly', 'shape' (an ellipse, points or something in
-- space, which extra holds) or 'label'; mask_value is 1, 3 or 4 integers, -1 matching anything in its place; -999999999
-- in poly separates the parts of a polygon.
CREATE TABLE rois (
    frame_key BIGINT NOT NULL,
    roi_index INTEGER NOT NULL,
    roi_id VARCHAR,
    kind VARCHAR NOT NULL,
    labels VARCHAR[],
    sources VARCHAR[],
    mask_id VARCHAR,
    mask_value INTEGER[],
    confidence DOUBLE,
    poly DOUBLE[],
    rle STRUCT(size INTEGER[], counts VARCHAR),
    is_crowd BOOLEAN,
    meta JSON,
    extra JSON
);

-- One row per ROI with a mask x source x mask that it resolves to; mask_index is NULL where matched_by is 'none'.
-- The rows follow from the frame alone. The columns of the source are repeated here, so that views need no join for them.
CREATE TABLE roi_masks (
    frame_key BIGINT NOT NULL,
    roi_index INTEGER NOT NULL,
    source_index INTEGER,
    mask_index INTEGER,
    source_id VARCHAR,
    mask_id VARCHAR,
    uri VARCHAR,
    content_type VARCHAR,
    "timestamp" BIGINT,
    labels VARCHAR[],
    class_labels VARCHAR[],
    mask_value INTEGER[],
    confidence DOUBLE,
    matched_by VARCHAR NOT NULL,
    source_uri VARCHAR,
    source_width INTEGER,
    source_height INTEGER
);

-- One row per analysed mask image. uri is as resolved for reading; timestamp is in milliseconds; fingerprint changes
-- with the file, pixel_hash with its pixels. In a lossy file each pixel is assigned to the nearest declared value; snap_key
-- identifies those values and the tolerance, unassigned is the number of pixels near none. error is why the file could not be
-- read at failed_at; the other columns, unless they are NULL, are those of analyzed_at.
CREATE TABLE mask_files (
    mask_file_key BIGINT NOT NULL,
    uri VARCHAR NOT NULL,
    "timestamp" BIGINT,
    snap_key VARCHAR,
    content_type VARCHAR,
    height INTEGER,
    width INTEGER,
    mode VARCHAR,
    is_video BOOLEAN,
    is_lossy BOOLEAN,
    fingerprint VARCHAR,
    pixel_hash VARCHAR,
    unassigned BIGINT,
    error VARCHAR,
    analyzed_at TIMESTAMP
);

-- One row per distinct stored value in an analysed mask (in a lossy one per declared value with pixels). sample is the
-- raw palette index or grey level; red, green, blue are as displayed; area in pixels; boxes and sums in pixel indexes;
-- rle is COCO's compressed counts.
CREATE TABLE mask_regions (
    mask_file_key BIGINT NOT NULL,
    region_index INTEGER NOT NULL,
    sample INTEGER,
    red INTEGER,
    green INTEGER,
    blue INTEGER,
    alpha INTEGER,
    area BIGINT NOT NULL,
    x_min INTEGER,
    y_min INTEGER,
    x_max INTEGER,
    y_max INTEGER,
    sum_x BIGINT,
    sum_y BIGINT,
    rle VARCHAR
);

-- One row per ROI with run lengths of its own, analysed: area in pixels; boxes and sums in pixel indexes.
CREATE TABLE roi_regions (
    frame_key BIGINT NOT NULL,
    roi_index INTEGER NOT NULL,
    height INTEGER NOT NULL,
    width INTEGER NOT NULL,
    area BIGINT NOT NULL,
    x_min INTEGER,
    y_min INTEGER,
    x_max INTEGER,
    y_max INTEGER,
    sum_x BIGINT,
    sum_y BIGINT
);

-- One row per URI prefix that is rewritten when bytes are fetched.
CREATE TABLE uri_prefixes (
    prefix VARCHAR PRIMARY KEY,
    replacement VARCHAR NOT NULL
);

-- One row per refused input record. line is the line in a file of JSON lines, else the index of the record, from 0.
CREATE TABLE rejects (
    input_id BIGINT NOT NULL,
    path VARCHAR NOT NULL,
    line BIGINT,
    json_path VARCHAR,
    reason VARCHAR NOT NULL,
    record VARCHAR
);

-- One row per applied schema file.
CREATE TABLE migrations (
    name VARCHAR PRIMARY KEY,
    applied_at TIMESTAMP NOT NULL DEFAULT epoch_ms(epoch_ms(now()))
);
