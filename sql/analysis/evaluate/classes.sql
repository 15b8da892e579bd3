-- One row per class that is scored: those of the truth, also where mask_labels declare them and no mask has them, and those of
-- the prediction; not those that always count for nothing ($ignore: as text). $classes is 'label' or 'value'.
SELECT class
FROM (
    SELECT class, is_ignored, side = 'truth' AS is_of_truth FROM meanings
    UNION ALL
    SELECT
        CASE WHEN $classes = 'value' THEN array_to_string("value", ',') ELSE array_to_string(labels, ', ') END,
        coalesce(entry->>'$.ignore' = 'true', false) OR list_has_any(
            CAST($ignore AS VARCHAR[]), [array_to_string(labels, ', '), array_to_string("value", ',')]
        ),
        true
    FROM mask_labels
    WHERE version_id = $truth_version_id
        AND (mask_id = '_all_' OR mask_id = $truth_mask)
        AND NOT list_contains("value", -1)
        AND (len(labels) > 0 OR $classes = 'value')
)
GROUP BY class
-- What the truth says of a class goes before what the prediction says.
HAVING NOT coalesce(bool_and(is_ignored) FILTER (is_of_truth), bool_and(is_ignored))
ORDER BY
    regexp_replace(class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(class, '[0-9]+$') AS HUGEINT),
    class;
