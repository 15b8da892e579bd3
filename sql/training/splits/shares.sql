-- One row per part of split $name of version $version_id: part, groups, frames and share, 0..1 of all frames in it.
SELECT
    part,
    count(DISTINCT group_name) + count(*) FILTER (WHERE group_name IS NULL) AS groups,
    count(*) AS frames,
    count(*) / sum(count(*)) OVER () AS share
FROM frame_splits
WHERE version_id = $version_id AND split = $name
GROUP BY part
ORDER BY min(frame_key), part
