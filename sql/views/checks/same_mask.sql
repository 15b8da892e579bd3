-- One row per set of masks with the same pixels under several URIs; `count` is the URIs.
-- To do: keep one of them.
-- Severity: warning. View: version_faults_sets.
SELECT *, mask_count AS "count", 'the same pixels as ' || other_uri AS message
FROM equal_masks
WHERE mask_count > 1 AND split IS NOT DISTINCT FROM other_split
