-- One row per version, id of its masks and value that its mask_labels give a meaning there: the entry of that id, else the one of
-- '_all_' (declared_for says which); label is its labels joined by a comma, NULL for none. Where ROIs or entries declare only
-- numbers for masks of one id, the colours of '_all_' are for those of other ids, if there are any; likewise the reverse.
CREATE OR REPLACE VIEW mask_labels_by_id AS
WITH own_labels AS (
    SELECT * FROM mask_labels WHERE mask_id <> '_all_'
),
-- One row per version and id of masks: whether numbers (values of one integer) and colours of '_all_' are for it.
mask_ids AS (
    SELECT
        version_id,
        mask_id,
        coalesce(bool_or(is_number), true) AS takes_numbers,
        coalesce(NOT bool_and(is_number), true) AS takes_colours
    FROM (
        SELECT version_id, mask_id, len("value") = 1 AS is_number
        FROM own_labels
        UNION ALL
        SELECT version_lineage.version_id, saved.mask_id, saved.is_number
        FROM version_lineage
        -- By the version that saves them first: that is one pass over the masks however many versions inherit them.
        JOIN (
            SELECT frames.version_id, masks.mask_id, NULL AS is_number
            FROM masks
            JOIN frames ON frames.frame_key = masks.frame_key
            GROUP BY ALL
            UNION ALL
            SELECT frames.version_id, roi_masks.mask_id, len(roi_masks.mask_value) = 1
            FROM roi_masks
            JOIN frames ON frames.frame_key = roi_masks.frame_key
            WHERE roi_masks.mask_index IS NOT NULL AND roi_masks.mask_value IS NOT NULL
            GROUP BY ALL
        ) AS saved
            ON saved.version_id = version_lineage.ancestor_id
    )
    GROUP BY version_id, mask_id
),
shared_labels AS (
    SELECT shared.* REPLACE (mask_ids.mask_id AS mask_id)
    FROM mask_labels AS shared
    JOIN mask_ids ON mask_ids.version_id = shared.version_id
    WHERE shared.mask_id = '_all_'
    QUALIFY CASE len(shared."value")
        WHEN 1 THEN takes_numbers OR NOT bool_or(takes_numbers) OVER (PARTITION BY shared.version_id)
        ELSE takes_colours OR NOT bool_or(takes_colours) OVER (PARTITION BY shared.version_id)
    END
)
SELECT
    dataset,
    version,
    version_id,
    mask_id,
    "value",
    labels,
    nullif(array_to_string(labels, ', '), '') AS label,
    entry,
    declared_for
FROM (
    SELECT *, mask_id AS declared_for
    FROM own_labels
    UNION ALL
    SELECT *, '_all_'
    FROM shared_labels
    ANTI JOIN own_labels USING (version_id, mask_id, "value")
);
