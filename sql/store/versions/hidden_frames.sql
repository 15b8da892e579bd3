-- One row per inherited frame that version $version_id hides from now on.
CREATE OR REPLACE TEMP TABLE hidden_frames (frame_key BIGINT);
