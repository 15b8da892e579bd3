-- One row per source of the frames $frame_ids in version $version_id: frame_id, frame_key, source_index, source_id, uri
-- (resolved), timestamp, width, height; in the order of $frame_ids.
SELECT
    frames.frame_id,
    frames.frame_key,
    sources.source_index,
    sources.source_id,
    resolve_uri(frames.media_root, sources.uri) AS uri,
    sources."timestamp",
    sources.width,
    sources.height
FROM (SELECT unnest($frame_ids) AS frame_id, generate_subscripts($frame_ids, 1) AS place) AS drawn_frames
JOIN dataset_frames AS frames ON frames.frame_id = drawn_frames.frame_id
LEFT JOIN sources ON sources.frame_key = frames.frame_key
WHERE frames.version_id = $version_id
ORDER BY drawn_frames.place, sources.source_index;
