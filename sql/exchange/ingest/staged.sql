-- Temporary table, one row per input record, in order: rowid numbers them (a window function would use one core only).
-- Blank lines have a row, so that record numbers are line numbers. broken is the text of a record that is not a frame.
CREATE OR REPLACE TEMP TABLE staged (
    path VARCHAR,
    broken VARCHAR,
    content_hash VARCHAR,
    frame_id VARCHAR,
    context_id VARCHAR,
    "timestamp" BIGINT,
    meta JSON,
    extra JSON,
    sources JSON[],
    rois JSON[]
);
