-- One row per ROI that has run lengths or a polygon of its own and is not analysed yet: frame_id, frame_key, roi_index, rle,
-- poly, and the height and width of the first of its sources that declares them.
SELECT
    frames.frame_id,
    rois.frame_key,
    rois.roi_index,
    rois.rle,
    CASE WHEN rois.rle IS NULL THEN rois.poly END AS poly,
    sized.height,
    sized.width
FROM rois
JOIN frames ON frames.frame_key = rois.frame_key
LEFT JOIN (
    SELECT
        frame_key,
        roi_index,
        first(source_height ORDER BY source_index) AS height,
        first(source_width ORDER BY source_index) AS width
    FROM roi_masks
    WHERE source_width > 0 AND source_height > 0
    GROUP BY frame_key, roi_index
) AS sized ON sized.frame_key = rois.frame_key AND sized.roi_index = rois.roi_index
ANTI JOIN roi_regions ON roi_regions.frame_key = rois.frame_key AND roi_regions.roi_index = rois.roi_index
WHERE rois.rle IS NOT NULL OR (rois.kind = 'poly' AND sized.width IS NOT NULL)
ORDER BY rois.frame_key, rois.roi_index;
