-- One row per id of masks of which `mask_labels` say nothing: `_all_` has only colours, and these masks have numbers that
-- match none of them, or the reverse, while masks of another id match; `count` is the masks.
-- To do: nothing where no query needs their values; else declare them under that id.
-- Severity: note. View: version_faults_colours.
SELECT
    dataset,
    version,
    version_id,
    count(*) AS "count",
    count(*) || ' masks' || coalesce(' ' || mask_id, '') || ' have '
        || CASE WHEN is_numbers THEN 'colours, and _all_ has only numbers' ELSE 'numbers, and _all_ has only colours' END
        AS message
FROM unmapped_masks
GROUP BY dataset, version, version_id, mask_id, is_numbers
