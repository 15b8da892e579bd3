-- One row per mask of the table pairs, side ('truth' or 'prediction') and value in it: place, side, value, class, is_ignored; and
-- the ROI that the value belongs to as segment (its roi_index), with segment_class and is_crowd, NULL where no ROI has it.
-- The class is that of the first of the frame's ROIs on the mask with that value, else what the version's mask_labels have for
-- the value, the entry of that mask before one of '_all_'; else, and with $classes 'value', the value as text. $ignore is a
-- list of classes and values (as text) that are ignored.
WITH present AS MATERIALIZED (
    SELECT *, CASE len("value") WHEN 1 THEN "value"[1] END AS sample
    FROM (
        SELECT DISTINCT place, 'truth' AS side, truth_value AS "value", truth_colour AS colour FROM shared_values
        UNION ALL
        SELECT DISTINCT place, 'prediction', prediction_value, prediction_colour
        FROM shared_values
        WHERE prediction_value IS NOT NULL
    )
),
masks AS (
    SELECT place, 'truth' AS side, frame_key, source_index, mask_index FROM pairs
    UNION ALL
    SELECT place, 'prediction', prediction_frame_key, prediction_source_index, prediction_mask_index FROM pairs
),
declared AS MATERIALIZED (
    SELECT
        masks.place,
        masks.side,
        rois.roi_index,
        roi_masks.mask_value,
        nullif(array_to_string(roi_masks.class_labels, ', '), '') AS class,
        coalesce(rois.meta->>'$.ignore' = 'true', false) AS is_ignored,
        coalesce(rois.is_crowd, false) AS is_crowd
    FROM masks
    JOIN roi_masks
        ON roi_masks.frame_key = masks.frame_key
        AND roi_masks.source_index = masks.source_index
        AND roi_masks.mask_index = masks.mask_index
    JOIN rois ON rois.frame_key = roi_masks.frame_key AND rois.roi_index = roi_masks.roi_index
    WHERE roi_masks.mask_value IS NOT NULL
),
first_rois AS (
    SELECT place, side, "value", min(roi_index) AS roi_index
    FROM (
        -- Values without -1 are joined by equality: a hash join, where value_matches compares all with all.
        SELECT forms.place, forms.side, forms."value", declared.roi_index
        FROM (SELECT place, side, "value", unnest([[sample], colour[1:3], colour]) AS form FROM present) AS forms
        JOIN declared
            ON declared.place = forms.place AND declared.side = forms.side AND declared.mask_value = forms.form
        UNION ALL
        SELECT present.place, present.side, present."value", declared.roi_index
        FROM present
        JOIN declared
            ON declared.place = present.place
            AND declared.side = present.side
            AND list_contains(declared.mask_value, -1)
            AND value_matches(
                declared.mask_value,
                present.sample,
                present.colour[1],
                present.colour[2],
                present.colour[3],
                present.colour[4]
            )
    )
    GROUP BY place, side, "value"
),
entries AS MATERIALIZED (
    SELECT
        sides.side,
        mask_labels_by_id."value",
        mask_labels_by_id.declared_for = '_all_' AS is_for_all,
        mask_labels_by_id.label AS class,
        coalesce(mask_labels_by_id.entry->>'$.ignore' = 'true', false) AS is_ignored
    FROM mask_labels_by_id
    JOIN (
        VALUES ('truth', $truth_version_id, $truth_mask), ('prediction', $prediction_version_id, $prediction_mask)
    ) AS sides(side, version_id, mask_id)
        ON mask_labels_by_id.version_id = sides.version_id
        AND mask_labels_by_id.mask_id IS NOT DISTINCT FROM sides.mask_id
),
first_entries AS (
    SELECT
        kinds.side,
        kinds."value",
        kinds.colour,
        first(entries.class ORDER BY entries.is_for_all, len(entries."value"), entries."value" DESC) AS class,
        first(entries.is_ignored ORDER BY entries.is_for_all, len(entries."value"), entries."value" DESC) AS is_ignored
    FROM (SELECT DISTINCT side, "value", colour, sample FROM present) AS kinds
    JOIN entries
        ON entries.side = kinds.side
        AND value_matches(
            entries."value",
            kinds.sample,
            kinds.colour[1],
            kinds.colour[2],
            kinds.colour[3],
            kinds.colour[4]
        )
    GROUP BY kinds.side, kinds."value", kinds.colour
)
SELECT
    present.place,
    present.side,
    present."value",
    named.class,
    coalesce(declared.is_ignored, false)
        OR coalesce(first_entries.is_ignored, false)
        OR list_has_any(
            CAST($ignore AS VARCHAR[]),
            [named.class, array_to_string(present."value", ','), array_to_string(present.colour[1:3], ',')]
        ) AS is_ignored,
    first_rois.roi_index AS segment,
    CASE WHEN first_rois.roi_index IS NOT NULL THEN coalesce(declared.class, first_entries.class) END AS segment_class,
    declared.is_crowd
FROM present
LEFT JOIN first_rois
    ON first_rois.place = present.place AND first_rois.side = present.side AND first_rois."value" = present."value"
LEFT JOIN declared
    ON declared.place = present.place AND declared.side = present.side AND declared.roi_index = first_rois.roi_index
LEFT JOIN first_entries
    ON first_entries.side = present.side
    AND first_entries."value" = present."value"
    AND first_entries.colour = present.colour
JOIN LATERAL (
    SELECT CASE
        WHEN $classes = 'value' THEN array_to_string(present."value", ',')
        ELSE coalesce(declared.class, first_entries.class, array_to_string(present."value", ','))
    END AS class
) AS named ON true;
