-- One row per version in which ROIs matched their masks because their sources have no other; `count` is how many
-- times. A wrong mask id looks like this, too.
-- To do: give the ROIs the id of their mask.
-- Severity: note. View: version_faults_meaning.
SELECT
    dataset,
    version,
    version_id,
    count(*) AS "count",
    'ROIs that found their masks because their sources have no other' AS message
FROM mask_rois
WHERE matched_by = 'only_mask' AND mask_value IS NOT NULL
GROUP BY dataset, version, version_id
