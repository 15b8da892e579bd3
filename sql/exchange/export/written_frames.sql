-- One row per source of the frames visible in version $version_id, in order: frame_key, frame_id, id_given, context_id (as
-- ingested), timestamp, meta, source_index, source_id, source_uri (resolved), width, height, source_count.
SELECT
    frames.frame_key,
    frames.frame_id,
    frames.id_given,
    frames.context_id,
    frames."timestamp",
    frames.meta,
    sources.source_index,
    sources.source_id,
    resolve_uri(visible.media_root, sources.uri) AS source_uri,
    sources.width,
    sources.height,
    count(*) OVER (PARTITION BY frames.frame_key) AS source_count
FROM dataset_frames AS visible
JOIN frames ON frames.frame_key = visible.frame_key
JOIN sources ON sources.frame_key = visible.frame_key
WHERE visible.version_id = $version_id
    AND ($frame_ids IS NULL OR list_contains($frame_ids, frames.frame_id))
ORDER BY visible.position, frames.frame_key, sources.source_index;
