-- One row per analysed mask of a version for which values are declared and that has others, which no ROI and no entry of
-- mask_labels declares: count is their pixels, value the commonest of them, check the cause if it is known. Also one row per
-- declared value that is absent from a mask without undeclared ones.
CREATE OR REPLACE VIEW version_faults_colours AS
-- One row per analysed mask for which something is declared, with what the declared values have in common.
WITH declared_masks AS (
    SELECT
        frame_masks.dataset,
        frame_masks.version,
        frame_masks.version_id,
        frame_masks.frame_key,
        frame_masks.frame_id,
        frame_masks.source_index,
        frame_masks.source_id,
        frame_masks.mask_index,
        frame_masks.mask_id,
        frame_masks.mask_uri,
        mask_files.mask_file_key,
        mask_files.mode,
        mask_files.is_lossy,
        mask_files.is_video,
        mask_files.content_type,
        mask_files.unassigned,
        CAST(mask_files.height AS BIGINT) * mask_files.width AS pixels,
        declared.declared_count,
        declared.largest,
        declared.smallest_light,
        declared.is_numbers,
        declared.has_numbers,
        declared.has_colours,
        declared.is_labelled
    FROM frame_masks
    JOIN mask_files
        ON same_mask(mask_files.uri, mask_files."timestamp", frame_masks.mask_uri, frame_masks.mask."timestamp")
        AND mask_files.height IS NOT NULL
    JOIN (
        SELECT
            version_id,
            frame_key,
            source_index,
            mask_index,
            count(DISTINCT "value") AS declared_count,
            max(list_max("value"[1:3])) AS largest,
            -- Of the values but 0 and -1.
            min(list_max("value"[1:3])) FILTER (WHERE list_max("value"[1:3]) > 0) AS smallest_light,
            bool_and(len("value") = 1) AS is_numbers,
            bool_or(len("value") = 1) AS has_numbers,
            bool_or("value"[1] <> "value"[2] OR "value"[2] <> "value"[3]) AS has_colours,
            bool_or(NOT by_roi) AS is_labelled
        FROM version_declared_values
        -- Only of analysed masks, for this counts all values of all masks.
        WHERE mask_uri IN (SELECT uri FROM mask_files WHERE height IS NOT NULL)
        GROUP BY version_id, frame_key, source_index, mask_index
    ) AS declared
        USING (version_id, frame_key, source_index, mask_index)
),
-- One row per analysed mask and value that is declared for it.
declared_values AS (
    SELECT version_id, frame_key, source_index, mask_index, "value"
    FROM version_declared_values
    WHERE mask_uri IN (SELECT uri FROM mask_files WHERE height IS NOT NULL)
),
-- One row per stored value of those masks, without lossy files.
regions AS (
    SELECT
        declared_masks.version_id,
        declared_masks.frame_key,
        declared_masks.source_index,
        declared_masks.mask_index,
        declared_masks.mask_id,
        declared_masks.mode,
        declared_masks.pixels,
        declared_masks.is_labelled,
        mask_regions.*
    FROM declared_masks
    JOIN mask_regions ON mask_regions.mask_file_key = declared_masks.mask_file_key
    WHERE NOT coalesce(declared_masks.is_lossy, false)
),
-- One row per stored value that no declared one matches.
unmatched_regions AS (
    SELECT regions.*
    FROM regions
    ANTI JOIN declared_values AS as_number
        ON as_number.version_id = regions.version_id
        AND as_number.frame_key = regions.frame_key
        AND as_number.source_index = regions.source_index
        AND as_number.mask_index = regions.mask_index
        AND as_number."value" = [regions.sample]
    ANTI JOIN declared_values AS as_colour
        ON as_colour.version_id = regions.version_id
        AND as_colour.frame_key = regions.frame_key
        AND as_colour.source_index = regions.source_index
        AND as_colour.mask_index = regions.mask_index
        AND as_colour."value" = [regions.red, regions.green, regions.blue]
    ANTI JOIN (SELECT * FROM declared_values WHERE len("value") = 4 OR list_contains("value", -1)) AS as_pattern
        ON as_pattern.version_id = regions.version_id
        AND as_pattern.frame_key = regions.frame_key
        AND as_pattern.source_index = regions.source_index
        AND as_pattern.mask_index = regions.mask_index
        AND value_matches(
            as_pattern."value",
            regions.sample,
            regions.red,
            regions.green,
            regions.blue,
            regions.alpha
        )
),
-- One row per version and id of masks for which '_all_' alone declares values.
shared_ids AS (
    SELECT version_id, mask_id
    FROM mask_labels_by_id
    GROUP BY version_id, mask_id
    HAVING bool_and(declared_for = '_all_')
    EXCEPT
    SELECT version_id, mask_id FROM version_declared_values WHERE by_roi
),
-- One row per version with such ids, id of masks, and form of its declared values that one of their values but black has.
matched_forms AS (
    SELECT DISTINCT stored.version_id, stored.mask_id, len(stored."value") = 1 AS is_number
    FROM (
        SELECT
            version_id,
            frame_key,
            source_index,
            mask_index,
            mask_id,
            unnest([[sample], [red, green, blue], [red, green, blue, alpha]]) AS "value"
        FROM regions
        WHERE greatest(red, green, blue) > 0 AND version_id IN (SELECT version_id FROM shared_ids)
    ) AS stored
    SEMI JOIN declared_values USING (version_id, frame_key, source_index, mask_index, "value")
),
-- One row per mask that nothing is declared for: '_all_' has only colours, and it numbers, or the reverse, and they match no mask
-- of its id, but masks of another.
unmapped_masks AS (
    SELECT declared_masks.*
    FROM declared_masks
    SEMI JOIN unmatched_regions USING (version_id, frame_key, source_index, mask_index)
    JOIN shared_ids
        ON shared_ids.version_id = declared_masks.version_id
        AND shared_ids.mask_id IS NOT DISTINCT FROM declared_masks.mask_id
    SEMI JOIN matched_forms AS other_id
        ON other_id.version_id = declared_masks.version_id AND other_id.is_number = declared_masks.is_numbers
    ANTI JOIN matched_forms AS same_id
        ON same_id.version_id = declared_masks.version_id
        AND same_id.mask_id IS NOT DISTINCT FROM declared_masks.mask_id
    WHERE CASE
        WHEN declared_masks.mode LIKE 'rgb%' OR declared_masks.mode LIKE 'grey_alpha%' OR declared_masks.is_video
        THEN declared_masks.is_numbers
        ELSE NOT declared_masks.has_numbers
    END
),
-- One row per region of black in a mask without mask_labels: where ROIs alone declare values, black is what is left over.
background_regions AS (
    SELECT *
    FROM unmatched_regions
    WHERE red = 0 AND green = 0 AND blue = 0 AND NOT is_labelled
),
-- One row per stored value that is neither declared nor background.
undeclared_regions AS (
    SELECT *, CASE WHEN sample IS NULL THEN [red, green, blue] ELSE [sample] END AS "value"
    FROM unmatched_regions
    ANTI JOIN unmapped_masks USING (version_id, frame_key, source_index, mask_index)
    ANTI JOIN background_regions USING (version_id, frame_key, source_index, mask_index, region_index)
),
-- One row per index of the palette that most datasets share, PASCAL VOC's: its bits, dealt out to the channels.
voc_palette AS (
    SELECT
        CAST(range AS INTEGER) AS index,
        [
            CAST(((range & 1) << 7) | ((range & 8) << 3) | ((range & 64) >> 1) AS INTEGER),
            CAST(((range & 2) << 6) | ((range & 16) << 2) | ((range & 128) >> 2) AS INTEGER),
            CAST(((range & 4) << 5) | ((range & 32) << 1) AS INTEGER)
        ] AS colour
    FROM range(1, 256)
),
-- One row per undeclared region, cause, and value that it would have without that cause.
guesses AS (
    SELECT version_id, frame_key, source_index, mask_index, region_index, 'bgr' AS cause, [blue, green, red] AS "value"
    FROM undeclared_regions
    WHERE sample IS NULL
    UNION ALL
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        region_index,
        'palette',
        unnest([[sample, sample, sample], voc_palette.colour])
    FROM undeclared_regions
    LEFT JOIN voc_palette
        ON voc_palette.index = undeclared_regions.sample AND undeclared_regions.mode NOT LIKE 'palette%'
    WHERE sample IS NOT NULL
    UNION ALL
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        region_index,
        'palette',
        unnest([[red], voc_palette.colour])
    FROM undeclared_regions
    LEFT JOIN voc_palette ON voc_palette.index = undeclared_regions.red
    WHERE sample IS NULL AND red = green AND green = blue
    UNION ALL
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        region_index,
        'palette',
        unnest([[voc_palette.index], [voc_palette.index, voc_palette.index, voc_palette.index]])
    FROM undeclared_regions
    JOIN voc_palette ON voc_palette.colour = [undeclared_regions.red, undeclared_regions.green, undeclared_regions.blue]
),
-- One row per mask: how many undeclared regions each cause would explain.
guess_counts AS (
    SELECT
        guesses.version_id,
        guesses.frame_key,
        guesses.source_index,
        guesses.mask_index,
        count(DISTINCT guesses.region_index) FILTER (WHERE guesses.cause = 'bgr') AS bgr_count,
        count(DISTINCT guesses.region_index) FILTER (WHERE guesses.cause = 'palette') AS palette_count
    FROM guesses
    SEMI JOIN declared_values USING (version_id, frame_key, source_index, mask_index, "value")
    GROUP BY guesses.version_id, guesses.frame_key, guesses.source_index, guesses.mask_index
),
-- One row per rare undeclared region of a mask with at least four: the commonest 48, to compare them in bounded time.
rare_regions AS (
    SELECT version_id, frame_key, source_index, mask_index, region_index, red, green, blue, area
    FROM undeclared_regions
    WHERE area <= 0.06 * pixels
    QUALIFY row_number() OVER (
            PARTITION BY version_id, frame_key, source_index, mask_index ORDER BY area DESC, region_index
        ) <= 48
        AND count(*) OVER (PARTITION BY version_id, frame_key, source_index, mask_index) >= 4
),
-- One row per declared region of a mask with rare ones: the 20 largest.
large_regions AS (
    SELECT regions.version_id, regions.frame_key, regions.source_index, regions.mask_index, red, green, blue
    FROM regions
    SEMI JOIN rare_regions USING (version_id, frame_key, source_index, mask_index)
    ANTI JOIN undeclared_regions USING (version_id, frame_key, source_index, mask_index, region_index)
    QUALIFY row_number() OVER (
        PARTITION BY regions.version_id, regions.frame_key, regions.source_index, regions.mask_index
        ORDER BY area DESC, regions.region_index
    ) <= 20
),
-- One row per rare region whose colour is near the line between two declared ones, as a filter that scales mixes them.
mixed_regions AS (
    SELECT DISTINCT
        rare_regions.version_id,
        rare_regions.frame_key,
        rare_regions.source_index,
        rare_regions.mask_index,
        rare_regions.region_index,
        rare_regions.area
    FROM rare_regions
    JOIN large_regions AS one USING (version_id, frame_key, source_index, mask_index)
    JOIN large_regions AS other
        ON other.version_id = rare_regions.version_id
        AND other.frame_key = rare_regions.frame_key
        AND other.source_index = rare_regions.source_index
        AND other.mask_index = rare_regions.mask_index
        AND (other.red, other.green, other.blue) > (one.red, one.green, one.blue)
    WHERE rare_regions.red BETWEEN least(one.red, other.red) - 24 AND greatest(one.red, other.red) + 24
        AND rare_regions.green BETWEEN least(one.green, other.green) - 24 AND greatest(one.green, other.green) + 24
        AND rare_regions.blue BETWEEN least(one.blue, other.blue) - 24 AND greatest(one.blue, other.blue) + 24
        AND greatest(
            abs(
                (rare_regions.red - one.red) * (other.green - one.green)
                - (rare_regions.green - one.green) * (other.red - one.red)
            ),
            abs(
                (rare_regions.red - one.red) * (other.blue - one.blue)
                - (rare_regions.blue - one.blue) * (other.red - one.red)
            ),
            abs(
                (rare_regions.green - one.green) * (other.blue - one.blue)
                - (rare_regions.blue - one.blue) * (other.green - one.green)
            )
        ) <= 1.5 * greatest(abs(other.red - one.red), abs(other.green - one.green), abs(other.blue - one.blue))
),
-- One row per mask with rare regions: the pixels of these, and of those that are mixed.
mixed_areas AS (
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        sum(rare_regions.area) AS rare_area,
        sum(mixed_regions.area) AS mixed_area
    FROM rare_regions
    LEFT JOIN mixed_regions USING (version_id, frame_key, source_index, mask_index, region_index)
    GROUP BY version_id, frame_key, source_index, mask_index
),
-- One row per mask with undeclared regions: their number, pixels, commonest value and range.
undeclared_totals AS (
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        count(*) AS value_count,
        CAST(sum(area) AS BIGINT) AS area,
        arg_max("value", area) AS "value",
        arg_max([red, green, blue], area) AS colour,
        sum(area) FILTER (WHERE area <= 0.06 * pixels) AS rare_area,
        count(*) FILTER (WHERE red = green AND green = blue) AS grey_count,
        max(coalesce(sample, red)) AS largest,
        min(coalesce(sample, red)) AS smallest
    FROM undeclared_regions
    GROUP BY version_id, frame_key, source_index, mask_index
),
-- One row per mask with undeclared regions: the number of all its regions.
region_counts AS (
    SELECT version_id, frame_key, source_index, mask_index, count(*) AS value_count
    FROM regions
    SEMI JOIN undeclared_totals USING (version_id, frame_key, source_index, mask_index)
    GROUP BY version_id, frame_key, source_index, mask_index
),
-- One row per mask with undeclared regions: the declared value nearest to the commonest undeclared one.
nearest_values AS (
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        arg_min(declared_values."value", CASE len(declared_values."value")
            WHEN 1 THEN abs(declared_values."value"[1] - undeclared_totals."value"[1])
            ELSE greatest(
                abs(declared_values."value"[1] - undeclared_totals.colour[1]),
                abs(declared_values."value"[2] - undeclared_totals.colour[2]),
                abs(declared_values."value"[3] - undeclared_totals.colour[3])
            )
        END) AS "value"
    FROM undeclared_totals
    JOIN declared_values USING (version_id, frame_key, source_index, mask_index)
    WHERE NOT list_contains(declared_values."value", -1)
        AND (len(declared_values."value") > 1 OR len(undeclared_totals."value") = 1)
    GROUP BY version_id, frame_key, source_index, mask_index
),
-- One row per mask with undeclared regions, with their cause, the first that holds, and a sentence on them.
undeclared_masks AS (
    SELECT
        declared_masks.dataset,
        declared_masks.version,
        declared_masks.version_id,
        declared_masks.frame_key,
        declared_masks.frame_id,
        declared_masks.source_index,
        declared_masks.source_id,
        declared_masks.mask_index,
        declared_masks.mask_uri,
        undeclared_totals.area AS "count",
        undeclared_totals."value",
        undeclared_totals.area || ' pixels of ' || undeclared_totals.value_count || ' undeclared value'
            || CASE undeclared_totals.value_count WHEN 1 THEN ' ' ELSE 's, most of ' END
            || CAST(undeclared_totals."value" AS VARCHAR)
            || coalesce(', nearest declared ' || CAST(nearest_values."value" AS VARCHAR), '') AS summary,
        CASE
            -- Only in 16 bits are there numbers beyond 255.
            WHEN declared_masks.largest > 255
                AND NOT ends_with(declared_masks.mode, '16')
                AND undeclared_totals.grey_count = undeclared_totals.value_count
            THEN '16bit'
            WHEN undeclared_totals.value_count = 1
                AND region_counts.value_count <= 2
                AND undeclared_totals.grey_count = 1
                AND (
                    (declared_masks.largest = 1 AND declared_masks.smallest_light = 1 AND undeclared_totals.largest = 255)
                    OR (
                        declared_masks.largest = 255
                        AND declared_masks.smallest_light = 255
                        AND undeclared_totals.largest = 1
                    )
                    -- Stored as 1 in one bit, which is shown as 255.
                    OR (declared_masks.largest = 1 AND declared_masks.smallest_light = 1 AND declared_masks.mode = 'grey1')
                )
            THEN 'scale'
            WHEN guess_counts.bgr_count = undeclared_totals.value_count THEN 'bgr'
            WHEN guess_counts.palette_count = undeclared_totals.value_count
                OR (declared_masks.is_numbers AND declared_masks.mode LIKE 'rgb%')
                -- Indexes of a palette that is not PASCAL VOC's are small numbers all the same.
                OR (
                    declared_masks.has_colours
                    AND undeclared_totals.grey_count = undeclared_totals.value_count
                    AND undeclared_totals.smallest <= declared_masks.declared_count
                    AND undeclared_totals.largest <= declared_masks.declared_count
                )
            THEN 'palette'
            WHEN mixed_areas.mixed_area >= 0.6 * mixed_areas.rare_area
                AND undeclared_totals.rare_area >= 0.9 * undeclared_totals.area
            THEN 'resized'
            ELSE 'unexplained'
        END AS cause
    FROM declared_masks
    JOIN undeclared_totals USING (version_id, frame_key, source_index, mask_index)
    JOIN region_counts USING (version_id, frame_key, source_index, mask_index)
    LEFT JOIN guess_counts USING (version_id, frame_key, source_index, mask_index)
    LEFT JOIN mixed_areas USING (version_id, frame_key, source_index, mask_index)
    LEFT JOIN nearest_values USING (version_id, frame_key, source_index, mask_index)
),
-- One row per version and id of masks most of which have 16 bits, and numbers beyond 255.
deep_ids AS (
    SELECT version_id, mask_id
    FROM (
        SELECT version_id, mask_id, mode, max(sample) AS largest
        FROM regions
        GROUP BY version_id, frame_key, source_index, mask_index, mask_id, mode
    )
    GROUP BY version_id, mask_id
    HAVING 2 * count(*) FILTER (WHERE ends_with(mode, '16') AND largest > 255) > count(*)
)
-- The rows of the checks follow: the files in sql/views/checks/ that name this view.
