-- One row per group and class: "by" (NULL unless $is_grouped), class, boundary_iou. The table boundaries has the pixels that
-- the two boundaries of a class share in a mask ("both"), and those of either. $average is 'set' (sums over all masks) or
-- 'images' (the mean over the masks with a boundary).
SELECT
    "by",
    class,
    CASE
        WHEN $average = 'images' THEN list_avg(list("both" / nullif(either, 0) ORDER BY place))
        ELSE sum("both") / nullif(sum(either), 0)
    END AS boundary_iou
FROM (
    SELECT CASE WHEN $is_grouped THEN pairs."by" END AS "by", boundaries.*
    FROM boundaries
    JOIN scored_classes ON scored_classes.class = boundaries.class
    JOIN pairs ON pairs.place = boundaries.place
)
GROUP BY "by", class
ORDER BY
    "by",
    regexp_replace(class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(class, '[0-9]+$') AS HUGEINT),
    class;
