-- One row per analysed mask of a version with pixels that no ROI and no mask_labels entry explains, where something is declared
-- for it: count is of those pixels, value the commonest of them, check the cause where it can be told. Also values that are
-- declared and absent from such masks as have no such cause.
CREATE OR REPLACE VIEW version_faults_colours AS
-- The masks for which something is declared.
WITH judged AS (
    SELECT
        frame_masks.dataset,
        frame_masks.version,
        frame_masks.version_id,
        frame_masks.frame_key,
        frame_masks.frame_id,
        frame_masks.source_index,
        frame_masks.source_id,
        frame_masks.mask_index,
        frame_masks.mask_uri,
        mask_files.mask_file_key,
        mask_files.mode,
        mask_files.is_lossy,
        mask_files.content_type,
        mask_files.unassigned,
        CAST(mask_files.height AS BIGINT) * mask_files.width AS pixels,
        declared.declared_count,
        declared.largest,
        declared.smallest_light,
        declared.is_numbers,
        declared.has_colours,
        declared.is_labelled
    FROM frame_masks
    JOIN mask_files
        ON mask_files.uri = frame_masks.mask_uri
        AND coalesce(mask_files."timestamp", -1) = coalesce(frame_masks.mask."timestamp", -1)
        AND mask_files.error IS NULL
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
            bool_or("value"[1] <> "value"[2] OR "value"[2] <> "value"[3]) AS has_colours,
            bool_or(NOT by_roi) AS is_labelled
        FROM version_declared_values
        -- Only of what is analysed, for this counts all values of all masks.
        WHERE mask_uri IN (SELECT uri FROM mask_files WHERE error IS NULL)
        GROUP BY version_id, frame_key, source_index, mask_index
    ) AS declared
        USING (version_id, frame_key, source_index, mask_index)
),
declared AS (
    SELECT version_id, frame_key, source_index, mask_index, "value"
    FROM version_declared_values
    WHERE mask_uri IN (SELECT uri FROM mask_files WHERE error IS NULL)
),
found AS (
    SELECT
        judged.version_id,
        judged.frame_key,
        judged.source_index,
        judged.mask_index,
        judged.mode,
        judged.pixels,
        judged.is_labelled,
        mask_regions.*
    FROM judged
    JOIN mask_regions ON mask_regions.mask_file_key = judged.mask_file_key
    WHERE NOT coalesce(judged.is_lossy, false)
),
unexplained AS (
    SELECT found.*
    FROM found
    ANTI JOIN declared AS as_number
        ON as_number.version_id = found.version_id
        AND as_number.frame_key = found.frame_key
        AND as_number.source_index = found.source_index
        AND as_number.mask_index = found.mask_index
        AND as_number."value" = [found.sample]
    ANTI JOIN declared AS as_colour
        ON as_colour.version_id = found.version_id
        AND as_colour.frame_key = found.frame_key
        AND as_colour.source_index = found.source_index
        AND as_colour.mask_index = found.mask_index
        AND as_colour."value" = [found.red, found.green, found.blue]
    ANTI JOIN (SELECT * FROM declared WHERE len("value") = 4 OR list_contains("value", -1)) AS as_pattern
        ON as_pattern.version_id = found.version_id
        AND as_pattern.frame_key = found.frame_key
        AND as_pattern.source_index = found.source_index
        AND as_pattern.mask_index = found.mask_index
        AND CASE len(as_pattern."value")
            WHEN 1 THEN found.sample IS NOT NULL
            ELSE as_pattern."value"[1] IN (-1, found.red)
                AND as_pattern."value"[2] IN (-1, found.green)
                AND as_pattern."value"[3] IN (-1, found.blue)
                AND coalesce(as_pattern."value"[4] IN (-1, found.alpha), true)
        END
),
-- Black is what is left over where ROIs alone say what things are, and no mask_labels.
background AS (
    SELECT *
    FROM unexplained
    WHERE red = 0 AND green = 0 AND blue = 0 AND NOT is_labelled
),
odd AS (
    SELECT *, CASE WHEN sample IS NULL THEN [red, green, blue] ELSE [sample] END AS "value"
    FROM unexplained
    ANTI JOIN background USING (version_id, frame_key, source_index, mask_index, region_index)
),
-- The palette that most datasets share, PASCAL VOC's: the bits of the index, shared out among the channels.
voc AS (
    SELECT
        CAST(range AS INTEGER) AS index,
        [
            CAST(((range & 1) << 7) | ((range & 8) << 3) | ((range & 64) >> 1) AS INTEGER),
            CAST(((range & 2) << 6) | ((range & 16) << 2) | ((range & 128) >> 2) AS INTEGER),
            CAST(((range & 4) << 5) | ((range & 32) << 1) AS INTEGER)
        ] AS colour
    FROM range(1, 256)
),
-- What a value would have been, had this or that not happened to it.
guesses AS (
    SELECT version_id, frame_key, source_index, mask_index, region_index, 'bgr' AS cause, [blue, green, red] AS "value"
    FROM odd
    WHERE sample IS NULL
    UNION ALL
    SELECT version_id, frame_key, source_index, mask_index, region_index, 'palette', unnest([[sample, sample, sample], voc.colour])
    FROM odd
    LEFT JOIN voc ON voc.index = odd.sample AND odd.mode NOT LIKE 'palette%'
    WHERE sample IS NOT NULL
    UNION ALL
    SELECT version_id, frame_key, source_index, mask_index, region_index, 'palette', unnest([[red], voc.colour])
    FROM odd
    LEFT JOIN voc ON voc.index = odd.red
    WHERE sample IS NULL AND red = green AND green = blue
    UNION ALL
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        region_index,
        'palette',
        unnest([[voc.index], [voc.index, voc.index, voc.index]])
    FROM odd
    JOIN voc ON voc.colour = [odd.red, odd.green, odd.blue]
),
guessed AS (
    SELECT
        guesses.version_id,
        guesses.frame_key,
        guesses.source_index,
        guesses.mask_index,
        count(DISTINCT guesses.region_index) FILTER (WHERE guesses.cause = 'bgr') AS bgr_count,
        count(DISTINCT guesses.region_index) FILTER (WHERE guesses.cause = 'palette') AS palette_count
    FROM guesses
    SEMI JOIN declared USING (version_id, frame_key, source_index, mask_index, "value")
    GROUP BY guesses.version_id, guesses.frame_key, guesses.source_index, guesses.mask_index
),
-- The commonest colours of masks with many rare ones, to compare them in bounded time.
rare AS (
    SELECT version_id, frame_key, source_index, mask_index, region_index, red, green, blue, area
    FROM odd
    WHERE area <= 0.06 * pixels
    QUALIFY row_number() OVER (
            PARTITION BY version_id, frame_key, source_index, mask_index ORDER BY area DESC, region_index
        ) <= 48
        AND count(*) OVER (PARTITION BY version_id, frame_key, source_index, mask_index) >= 4
),
known AS (
    SELECT found.version_id, found.frame_key, found.source_index, found.mask_index, red, green, blue
    FROM found
    SEMI JOIN rare USING (version_id, frame_key, source_index, mask_index)
    ANTI JOIN odd USING (version_id, frame_key, source_index, mask_index, region_index)
    QUALIFY row_number() OVER (
        PARTITION BY found.version_id, found.frame_key, found.source_index, found.mask_index
        ORDER BY area DESC, found.region_index
    ) <= 20
),
-- How far along from one colour to the other, and back to a colour: what a filter that scales makes of the two.
mixed AS (
    SELECT DISTINCT rare.version_id, rare.frame_key, rare.source_index, rare.mask_index, rare.region_index, rare.area
    FROM rare
    JOIN known AS one USING (version_id, frame_key, source_index, mask_index)
    JOIN known AS other
        ON other.version_id = rare.version_id
        AND other.frame_key = rare.frame_key
        AND other.source_index = rare.source_index
        AND other.mask_index = rare.mask_index
        AND (other.red, other.green, other.blue) > (one.red, one.green, one.blue)
    WHERE rare.red BETWEEN least(one.red, other.red) - 24 AND greatest(one.red, other.red) + 24
        AND rare.green BETWEEN least(one.green, other.green) - 24 AND greatest(one.green, other.green) + 24
        AND rare.blue BETWEEN least(one.blue, other.blue) - 24 AND greatest(one.blue, other.blue) + 24
        AND greatest(
            abs((rare.red - one.red) * (other.green - one.green) - (rare.green - one.green) * (other.red - one.red)),
            abs((rare.red - one.red) * (other.blue - one.blue) - (rare.blue - one.blue) * (other.red - one.red)),
            abs((rare.green - one.green) * (other.blue - one.blue) - (rare.blue - one.blue) * (other.green - one.green))
        ) <= 1.5 * greatest(abs(other.red - one.red), abs(other.green - one.green), abs(other.blue - one.blue))
),
scaled AS (
    SELECT version_id, frame_key, source_index, mask_index, sum(rare.area) AS rare_area, sum(mixed.area) AS mixed_area
    FROM rare
    LEFT JOIN mixed USING (version_id, frame_key, source_index, mask_index, region_index)
    GROUP BY version_id, frame_key, source_index, mask_index
),
counted AS (
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
    FROM odd
    GROUP BY version_id, frame_key, source_index, mask_index
),
total AS (
    SELECT version_id, frame_key, source_index, mask_index, count(*) AS value_count
    FROM found
    SEMI JOIN counted USING (version_id, frame_key, source_index, mask_index)
    GROUP BY version_id, frame_key, source_index, mask_index
),
nearest AS (
    SELECT
        version_id,
        frame_key,
        source_index,
        mask_index,
        arg_min(declared."value", CASE len(declared."value")
            WHEN 1 THEN abs(declared."value"[1] - counted."value"[1])
            ELSE greatest(
                abs(declared."value"[1] - counted.colour[1]),
                abs(declared."value"[2] - counted.colour[2]),
                abs(declared."value"[3] - counted.colour[3])
            )
        END) AS "value"
    FROM counted
    JOIN declared USING (version_id, frame_key, source_index, mask_index)
    WHERE NOT list_contains(declared."value", -1) AND (len(declared."value") > 1 OR len(counted."value") = 1)
    GROUP BY version_id, frame_key, source_index, mask_index
),
told AS (
    SELECT
        judged.*,
        counted.area,
        counted."value",
        counted.value_count,
        nearest."value" AS nearest_value,
        CASE
            -- Only in 16 bits are there numbers beyond 255.
            WHEN judged.largest > 255 AND NOT ends_with(judged.mode, '16') AND counted.grey_count = counted.value_count
            THEN 'colour_16bit'
            WHEN counted.value_count = 1
                AND total.value_count <= 2
                AND counted.grey_count = 1
                AND (
                    (judged.largest = 1 AND judged.smallest_light = 1 AND counted.largest = 255)
                    OR (judged.largest = 255 AND judged.smallest_light = 255 AND counted.largest = 1)
                    -- Stored as 1 in one bit, which is shown as 255.
                    OR (judged.largest = 1 AND judged.smallest_light = 1 AND judged.mode = 'grey1')
                )
            THEN 'colour_scale'
            WHEN guessed.bgr_count = counted.value_count THEN 'colour_bgr'
            WHEN guessed.palette_count = counted.value_count
                OR (judged.is_numbers AND judged.mode LIKE 'rgb%')
                -- Indexes of a palette that is not PASCAL VOC's are small numbers all the same.
                OR (
                    judged.has_colours
                    AND counted.grey_count = counted.value_count
                    AND counted.smallest <= judged.declared_count
                    AND counted.largest <= judged.declared_count
                )
            THEN 'colour_palette'
            WHEN scaled.mixed_area >= 0.6 * scaled.rare_area AND counted.rare_area >= 0.9 * counted.area
            THEN 'colour_resized'
            ELSE 'colour_unexplained'
        END AS "check"
    FROM judged
    JOIN counted USING (version_id, frame_key, source_index, mask_index)
    JOIN total USING (version_id, frame_key, source_index, mask_index)
    LEFT JOIN guessed USING (version_id, frame_key, source_index, mask_index)
    LEFT JOIN scaled USING (version_id, frame_key, source_index, mask_index)
    LEFT JOIN nearest USING (version_id, frame_key, source_index, mask_index)
)
SELECT
    "check",
    'error' AS severity,
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    mask_uri,
    "value",
    area AS "count",
    area || ' pixels of ' || value_count || ' undeclared value' || CASE value_count WHEN 1 THEN ' ' ELSE 's, most of ' END || CAST("value" AS VARCHAR) || coalesce(', nearest declared ' || CAST(nearest_value AS VARCHAR), '')
        || CASE "check"
            WHEN 'colour_16bit' THEN '; 8 bits, and values beyond 255 are declared: cut from 16 bits'
            WHEN 'colour_scale' THEN '; 0 and 255 where 0 and 1 are meant, or the reverse'
            WHEN 'colour_bgr' THEN '; declared with red and blue exchanged: written in BGR order'
            WHEN 'colour_palette' THEN '; numbers of a palette where colours are declared, or the reverse'
            WHEN 'colour_resized' THEN '; mixed from two neighbours: resized with interpolation'
            ELSE ''
        END AS message
FROM told
UNION ALL
SELECT
    'colour_lossy',
    'warning',
    dataset,
    version,
    version_id,
    frame_id,
    source_id,
    mask_uri,
    NULL,
    unassigned,
    content_type || ', which changes values; ' || unassigned || ' pixels are near none that is declared'
FROM judged
WHERE is_lossy
UNION ALL
SELECT
    'background',
    'note',
    judged.dataset,
    judged.version,
    judged.version_id,
    NULL,
    NULL,
    NULL,
    [0, 0, 0],
    CAST(sum(background.area) AS BIGINT),
    'black in ' || count(*) || ' masks, which no ROI declares, and they have no mask_labels; taken for background'
FROM judged
JOIN background USING (version_id, frame_key, source_index, mask_index)
ANTI JOIN told USING (version_id, frame_key, source_index, mask_index)
GROUP BY judged.dataset, judged.version, judged.version_id
UNION ALL
SELECT
    'value_absent',
    'warning',
    mask_roi_regions.dataset,
    mask_roi_regions.version,
    mask_roi_regions.version_id,
    mask_roi_regions.frame_id,
    mask_roi_regions.source_id,
    mask_roi_regions.mask_uri,
    mask_roi_regions.mask_value,
    count(*),
    'no pixel of ' || CAST(mask_roi_regions.mask_value AS VARCHAR) || ', which a ROI of '
        || coalesce(array_to_string(min(mask_roi_regions.class_labels), ', '), 'no label') || ' has'
FROM mask_roi_regions
-- What is not there is explained by what is.
ANTI JOIN told USING (version_id, frame_key, source_index, mask_index)
WHERE mask_roi_regions.area = 0 AND mask_roi_regions.mask_value IS NOT NULL
GROUP BY
    mask_roi_regions.dataset,
    mask_roi_regions.version,
    mask_roi_regions.version_id,
    mask_roi_regions.frame_id,
    mask_roi_regions.source_id,
    mask_roi_regions.mask_uri,
    mask_roi_regions.mask_value;
