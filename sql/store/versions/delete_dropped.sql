-- Removes the frames in dropped_frames with their sources, masks and ROIs.
DELETE FROM frames WHERE frame_key IN (SELECT frame_key FROM dropped_frames);
DELETE FROM sources WHERE frame_key IN (SELECT frame_key FROM dropped_frames);
DELETE FROM masks WHERE frame_key IN (SELECT frame_key FROM dropped_frames);
DELETE FROM rois WHERE frame_key IN (SELECT frame_key FROM dropped_frames);
DELETE FROM roi_masks WHERE frame_key IN (SELECT frame_key FROM dropped_frames);
DELETE FROM roi_regions WHERE frame_key IN (SELECT frame_key FROM dropped_frames);
