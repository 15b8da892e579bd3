-- One row per visible frame, source and mask.
CREATE OR REPLACE VIEW frame_masks AS
SELECT
    dataset_frames.dataset,
    dataset_frames.version,
    dataset_frames.version_id,
    dataset_frames.frame_key,
    dataset_frames.frame_id,
    masks.source_index,
    sources.source_id,
    resolve_uri(dataset_frames.media_root, sources.uri) AS source_uri,
    sources.width,
    sources.height,
    masks.mask_index,
    masks.mask_id,
    resolve_uri(dataset_frames.media_root, masks.uri) AS mask_uri,
    struct_pack(
        uri := resolve_uri(dataset_frames.media_root, masks.uri),
        content_type := masks.content_type,
        "timestamp" := masks."timestamp"
    ) AS mask
FROM dataset_frames
JOIN masks ON masks.frame_key = dataset_frames.frame_key
JOIN sources ON sources.frame_key = masks.frame_key AND sources.source_index = masks.source_index;
