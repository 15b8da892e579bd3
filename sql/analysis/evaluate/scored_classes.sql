-- One row per class that is scored: those of the truth, also where mask_labels declare them and no mask has them, and those of
-- the prediction; not those that are always ignored ($ignore: as text). $classes is 'label' or 'value'.
WITH entries AS (
    SELECT mask_id, "value", labels, entry
    FROM mask_labels
    WHERE version_id = $truth_version_id AND mask_id IN ('_all_', $truth_mask)
)
SELECT class
FROM (
    SELECT class, is_ignored, side = 'truth' AS is_of_truth FROM value_classes
    UNION ALL
    SELECT
        CASE
            WHEN $classes = 'value' THEN array_to_string(entries."value", ',')
            ELSE array_to_string(entries.labels, ', ')
        END,
        coalesce(entries.entry->>'$.ignore' = 'true', false) OR list_has_any(
            CAST($ignore AS VARCHAR[]), [array_to_string(entries.labels, ', '), array_to_string(entries."value", ',')]
        ),
        true
    FROM entries
    -- An entry of the mask takes the place of the one of '_all_' for that value.
    ANTI JOIN entries AS own ON entries.mask_id = '_all_' AND own.mask_id <> '_all_' AND own."value" = entries."value"
    WHERE NOT list_contains(entries."value", -1) AND (len(entries.labels) > 0 OR $classes = 'value')
)
GROUP BY class
-- What the truth declares of a class goes before what the prediction declares.
HAVING NOT coalesce(bool_and(is_ignored) FILTER (is_of_truth), bool_and(is_ignored))
ORDER BY
    regexp_replace(class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(class, '[0-9]+$') AS HUGEINT),
    class;
