-- One row per `context_id`, such as a drive or a video, with frames in several splits: neighbours look alike; `count`
-- is its frames.
-- To do: split by context, as `masksdb split` does by default.
-- Severity: warning. View: version_faults_sets.
SELECT
    dataset,
    version,
    version_id,
    min(frame_id) AS frame_id,
    count(*) AS "count",
    'context ' || context_id || ': frames in ' || min(split) || ' and ' || max(split) AS message
FROM splits
WHERE context_id IS NOT NULL
GROUP BY dataset, version, version_id, context_id
HAVING min(split) <> max(split)
