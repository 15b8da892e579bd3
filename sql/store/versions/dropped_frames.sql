-- One row per frame to remove with all that belongs to it.
CREATE OR REPLACE TEMP TABLE dropped_frames (frame_key BIGINT);
