-- One row: the number of ROIs on the frames $frame_keys (NULL: all) of version $version_id that have none of $labels.
SELECT count(*) AS rois
FROM (
    SELECT frame_key, roi_index
    FROM mask_rois
    WHERE version_id = $version_id AND ($frame_keys IS NULL OR frame_key IN (SELECT unnest($frame_keys)))
    GROUP BY frame_key, roi_index
    HAVING NOT bool_or(list_has_any(coalesce(nullif(class_labels, []), ['unlabelled']), $labels))
);
