-- One row per version in which ROIs matched their masks because a label is the id of the mask; `count` is how many
-- times.
-- To do: nothing where the labels are meant so; else give the ROIs the id of their mask.
-- Severity: note. View: version_faults_meaning.
SELECT
    dataset,
    version,
    version_id,
    count(*) AS "count",
    'ROIs that found their masks by a label that is the id of the mask' AS message
FROM mask_rois
WHERE matched_by = 'label' AND mask_value IS NOT NULL
GROUP BY dataset, version, version_id
