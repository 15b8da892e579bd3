-- One row per version that saves a frame id more than once: the version by its name and one of the ids.
SELECT datasets.name || '/' || versions.name AS version, min(repeated.frame_id) AS frame_id
FROM (
    SELECT version_id, frame_id
    FROM frames
    GROUP BY version_id, frame_id
    HAVING count(*) > 1
) AS repeated
JOIN versions ON versions.version_id = repeated.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
GROUP BY version
ORDER BY version;
