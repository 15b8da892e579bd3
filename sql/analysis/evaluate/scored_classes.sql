-- One row per class that is scored: those of the truth, also where mask_labels declare them and no mask has them, and those of
-- the prediction; not those that are always ignored ($ignore: as text). $classes is 'label' or 'value'.
SELECT class
FROM (
    SELECT class, is_ignored, side = 'truth' AS is_of_truth FROM value_classes
    UNION ALL
    SELECT
        CASE
            WHEN $classes = 'value' THEN array_to_string("value", ',')
            ELSE label
        END,
        coalesce(entry->>'$.ignore' = 'true', false)
            OR list_has_any(CAST($ignore AS VARCHAR[]), [label, array_to_string("value", ',')]),
        true
    FROM mask_labels_by_id
    WHERE version_id = $truth_version_id
        AND mask_id IS NOT DISTINCT FROM $truth_mask
        AND NOT list_contains("value", -1)
        AND (label IS NOT NULL OR $classes = 'value')
)
GROUP BY class
-- What the truth declares of a class goes before what the prediction declares.
HAVING NOT coalesce(bool_and(is_ignored) FILTER (is_of_truth), bool_and(is_ignored))
ORDER BY
    regexp_replace(class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(class, '[0-9]+$') AS HUGEINT),
    class;
