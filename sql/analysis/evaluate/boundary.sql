-- One row per group and class: "by" (NULL unless $is_grouped), class, boundary_iou. The Arrow table boundaries has the pixels
-- that the two boundaries of a class share in a mask ("both"), and those of either. $average is 'set' (sums over all masks)
-- or 'images' (the mean over the masks with a boundary).
SELECT
    "by",
    class,
    CASE
        WHEN $average = 'images' THEN list_avg(list("both" / nullif(either, 0) ORDER BY place))
        ELSE sum("both") / nullif(sum(either), 0)
    END AS boundary_iou
FROM (
    SELECT CASE WHEN $is_grouped THEN evaluated_by."by" END AS "by", boundaries.*
    FROM boundaries
    JOIN classes ON classes.class = boundaries.class
    JOIN paired ON paired.place = boundaries.place
    JOIN evaluated_by ON evaluated_by.frame_key = paired.frame_key
)
GROUP BY "by", class
ORDER BY
    "by",
    regexp_replace(class, '[0-9]+$', ''),
    TRY_CAST(regexp_extract(class, '[0-9]+$') AS HUGEINT),
    class;
