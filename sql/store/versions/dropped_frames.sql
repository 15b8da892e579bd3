-- One row per frame to remove with its sources, masks and ROIs.
CREATE OR REPLACE TEMP TABLE dropped_frames (frame_key BIGINT);
