-- One row per frame of a published version that is no longer what was published; where `frame_id` is NULL, it is the
-- version itself: its list of frames, its ancestors, its labels or its status.
-- To do: find the SQL that changed it, and ingest the frames into a new version.
-- Severity: error. View: version_faults_files.
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.version_id,
    altered_frames.frame_id,
    1 AS "count",
    CASE
        WHEN altered_frames.frame_id IS NULL
        THEN 'its frames, ancestors, labels or status are no longer those that were published'
        ELSE 'published, and no longer what was published'
    END AS message
FROM altered_frames
JOIN versions ON versions.version_id = altered_frames.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id
GROUP BY ALL
