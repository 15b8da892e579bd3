-- One row per published frame, with the hash of what it is now.
CREATE OR REPLACE TEMP TABLE hashed_frames (frame_key BIGINT, content_hash VARCHAR);
