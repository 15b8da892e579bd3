-- One row per group of `frame_groups` and class in it, of version $version_id: group_key, class, pixels. The class
-- of a region is that of its ROI; in frames without ROIs with mask values, that of mask_labels.
SELECT frame_groups.group_key, regions.class, CAST(sum(regions.area) AS BIGINT) AS pixels
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
) AS regions ON regions.frame_key = frame_groups.frame_key
WHERE regions.area > 0 AND regions.class <> ''
GROUP BY frame_groups.group_key, regions.class
ORDER BY frame_groups.group_key, regions.class
