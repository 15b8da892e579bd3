-- One row per visible mask, value and declaration of it: by a ROI (by_roi) or by the version's mask_labels. A value that
-- several declare has several rows.
CREATE OR REPLACE VIEW version_declared_values AS
SELECT
    dataset,
    version,
    version_id,
    frame_key,
    frame_id,
    source_index,
    source_id,
    mask_index,
    mask_id,
    mask_uri,
    mask."timestamp" AS mask_timestamp,
    true AS by_roi,
    class_labels AS labels,
    mask_value AS "value"
FROM mask_rois
WHERE mask_index IS NOT NULL AND mask_value IS NOT NULL
UNION ALL
SELECT
    dataset,
    version,
    version_id,
    frame_key,
    frame_id,
    source_index,
    source_id,
    mask_index,
    mask_id,
    mask_uri,
    mask."timestamp",
    false,
    labels,
    "value"
FROM mask_segments;
