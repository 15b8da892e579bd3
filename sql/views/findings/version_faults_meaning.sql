-- One row per finding about the meaning of the values of a version's masks: ROIs that resolve to no mask, or to one that they do
-- not name; labels that are unused or contradict each other; regions with no pixels or few.
CREATE OR REPLACE VIEW version_faults_meaning AS
-- One row per mask and value of mask_labels that it has.
WITH segment_regions AS (
    SELECT * FROM mask_segment_regions WHERE area > 0
),
-- One row per region of fewer pixels than check_settings allow; those without any only where the ROI has a shape of its own.
small_regions AS (
    SELECT
        dataset,
        version,
        version_id,
        frame_id,
        source_id,
        mask_uri,
        "value",
        "count",
        "count" || ' pixels of ' || coalesce(array_to_string(min(labels), ', '), 'no label')
            || coalesce(' ' || CAST("value" AS VARCHAR), '') AS message
    FROM (
        SELECT
            dataset,
            version,
            version_id,
            frame_id,
            source_id,
            mask_uri,
            mask_value AS "value",
            area AS "count",
            class_labels AS labels
        FROM mask_roi_regions
        WHERE area > 0 OR mask_value IS NULL
        UNION ALL
        SELECT dataset, version, version_id, frame_id, source_id, mask_uri, "value", area, labels
        FROM segment_regions
    )
    WHERE "count" < (SELECT small_region FROM check_settings)
    GROUP BY dataset, version, version_id, frame_id, source_id, mask_uri, "value", "count"
)
-- The rows of the checks follow: the files in sql/views/checks/ that name this view.
