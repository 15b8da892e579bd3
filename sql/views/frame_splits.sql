-- One row per visible frame and split of its version: the part of the frame. A frame that was added or replaced after the
-- split was made has no row.
CREATE OR REPLACE VIEW frame_splits AS
SELECT
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_key,
    dataset_frames.frame_id,
    dataset_frames.context_id,
    splits.name AS split,
    splits.part,
    splits.grouped_by,
    splits.group_name
FROM dataset_frames
JOIN splits ON splits.version_id = dataset_frames.version_id AND splits.frame_key = dataset_frames.frame_key;
