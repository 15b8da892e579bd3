-- One row per label that the mask_labels of version $version_id declare or its regions have, in the order of mask_labels and then
-- by name: label (several labels of one region are one, joined), number (the first single one declared), colours (those
-- declared, in order), is_ignored.
WITH masks AS (
    SELECT unnest(mask_label_entries(metadata)) AS item FROM versions WHERE version_id = $version_id
),
entries AS (
    SELECT
        CAST(json_extract(entry, '$.labels') AS VARCHAR[]) AS labels,
        CAST(json_extract(entry, '$.value') AS INTEGER[]) AS "value",
        TRY_CAST(json_extract(entry, '$.color') AS INTEGER[])[:3] AS colour,
        coalesce(json_extract(entry, '$.ignore') = 'true', false) AS is_ignored,
        row_number() OVER () AS place
    FROM (SELECT unnest(item.value) AS entry FROM masks)
),
named AS (
    SELECT labels, place, "value", coalesce(colour, CASE WHEN len("value") > 1 THEN "value"[:3] END) AS colour, is_ignored
    FROM entries
    UNION ALL
    SELECT class_labels, NULL, NULL, NULL, false
    FROM (SELECT DISTINCT class_labels FROM mask_rois WHERE version_id = $version_id)
)
SELECT
    coalesce(nullif(array_to_string(labels, ', '), ''), 'unlabelled') AS label,
    first("value"[1] ORDER BY place) FILTER (WHERE len("value") = 1) AS number,
    list(colour ORDER BY place) FILTER (
        WHERE len(colour) = 3 AND list_min(colour) >= 0 AND list_max(colour) <= 255
    ) AS colours,
    bool_or(is_ignored) AS is_ignored
FROM named
GROUP BY label
ORDER BY min(place) NULLS LAST, label;
