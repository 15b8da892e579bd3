-- One row per region that an export of version $version_id writes for the frames $frame_keys: frame_key, source_index,
-- roi_index, roi_id, labels, mask_id, mask, mask_value, rle, poly, is_crowd, is_ignored, meta. Regions are the ROIs in
-- the masks $mask_ids (NULL: all) or with a geometry of their own; with $segments also the values that mask_labels declare;
-- of all these the ones that have one of $labels (NULL: all).
SELECT
    mask_rois.frame_key,
    mask_rois.source_index,
    mask_rois.roi_index,
    mask_rois.roi_id,
    mask_rois.class_labels AS labels,
    CASE WHEN mask_rois.mask_value IS NOT NULL THEN mask_rois.mask_id END AS mask_id,
    CASE WHEN mask_rois.mask_value IS NOT NULL THEN mask_rois.mask END AS mask,
    mask_rois.mask_value,
    CASE WHEN mask_rois.mask_value IS NULL THEN rois.rle END AS rle,
    CASE WHEN mask_rois.mask_value IS NULL THEN rois.poly END AS poly,
    coalesce(rois.is_crowd, false) AS is_crowd,
    coalesce(json_extract(rois.meta, '$.ignore') = 'true', false) AS is_ignored,
    rois.meta
FROM mask_rois
JOIN rois ON rois.frame_key = mask_rois.frame_key AND rois.roi_index = mask_rois.roi_index
WHERE mask_rois.version_id = $version_id
    AND mask_rois.frame_key IN (SELECT unnest($frame_keys))
    AND (mask_rois.mask_value IS NULL OR $mask_ids IS NULL OR list_contains($mask_ids, mask_rois.mask_id))
    AND (
        $labels IS NULL
        OR list_has_any(coalesce(nullif(mask_rois.class_labels, []), ['unlabelled']), $labels)
    )
UNION ALL
SELECT
    frame_key,
    source_index,
    1000000 + row_number() OVER (PARTITION BY frame_key, source_index ORDER BY mask_index, "value"),
    NULL,
    labels,
    mask_id,
    mask,
    "value",
    NULL,
    NULL,
    false,
    false,
    NULL
FROM mask_segments
WHERE $segments
    AND version_id = $version_id
    AND frame_key IN (SELECT unnest($frame_keys))
    AND ($mask_ids IS NULL OR list_contains($mask_ids, mask_id))
    AND ($labels IS NULL OR list_has_any(coalesce(nullif(labels, []), ['unlabelled']), $labels))
ORDER BY 1, 2, 3;
