-- One row per frame of a published version, with the hash of its present content.
CREATE OR REPLACE TEMP TABLE hashed_frames (frame_key BIGINT, content_hash VARCHAR);
