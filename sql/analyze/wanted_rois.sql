-- One row per ROI with run lengths of its own that is not analysed yet: frame_key, roi_index, rle.
SELECT rois.frame_key, rois.roi_index, rois.rle
FROM rois
ANTI JOIN roi_regions ON roi_regions.frame_key = rois.frame_key AND roi_regions.roi_index = rois.roi_index
WHERE rois.rle IS NOT NULL
ORDER BY rois.frame_key, rois.roi_index;
