-- One row per input record, in order: rowid counts them (a window function would cost the second core). Blank
-- lines are kept so that record numbers stay line numbers; broken is the text of a record that is not a frame.
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
