-- One row per group of `frame_groups` and class in it, of version $version_id: group_key, class, pixels. A class is what ROIs say
-- of a region, or else what mask_labels say.
SELECT frame_groups.group_key, found.class, CAST(sum(found.area) AS BIGINT) AS pixels
FROM frame_groups
JOIN (
    SELECT frame_key, array_to_string(class_labels, ', ') AS class, area
    FROM mask_roi_regions
    WHERE version_id = $version_id
    UNION ALL
    SELECT frame_key, array_to_string(labels, ', '), area
    FROM mask_segment_regions
    WHERE version_id = $version_id
        AND frame_key NOT IN (SELECT frame_key FROM roi_masks WHERE mask_value IS NOT NULL)
) AS found ON found.frame_key = frame_groups.frame_key
WHERE found.area > 0 AND found.class <> ''
GROUP BY frame_groups.group_key, found.class
ORDER BY frame_groups.group_key, found.class
