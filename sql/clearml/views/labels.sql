-- One row per distinct list of labels in `label_lists` (version_id, labels): + mapped, the labels after the mapping
-- $rules, and number, the number in $numbers of the first of them that has one, else -1. A rule applies to a ROI
-- that has all of its from_labels, '*' being any; if several rules replace the same label, the first one is used.
SELECT
    version_id,
    labels,
    mapped,
    coalesce(
        list_filter(
            list_transform(mapped, lambda label: numbers[label]),
            lambda number: number IS NOT NULL
        )[1],
        -1
    ) AS number
FROM (
    SELECT
        version_id,
        labels,
        numbers,
        list_filter(repeated, lambda label, place: list_position(repeated, label) = place) AS mapped
    FROM (
        SELECT
            version_id,
            labels,
            numbers,
            list_transform(
                labels,
                lambda label: coalesce(
                    list_filter(
                        rules,
                        lambda rule: list_contains(rule.from_labels, label) OR list_contains(rule.from_labels, '*')
                    )[1].to_label,
                    label
                )
            ) AS repeated
        FROM (
            SELECT
                label_lists.version_id,
                label_lists.labels,
                from_json($numbers, '"MAP(VARCHAR, BIGINT)"') AS numbers,
                list_filter(
                    from_json(
                        $rules, '[{"version_ids":["BIGINT"],"from_labels":["VARCHAR"],"to_label":"VARCHAR"}]'
                    ),
                    lambda rule: (rule.version_ids IS NULL OR list_contains(rule.version_ids, label_lists.version_id))
                        AND list_has_all(label_lists.labels, list_filter(rule.from_labels, lambda name: name <> '*'))
                ) AS rules
            FROM label_lists
        )
    )
)
