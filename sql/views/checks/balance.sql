-- One row per label and id of masks: its share of their declared pixels, and in how many of the frames that have any
-- it is; `count` is its pixels.
-- To do: nothing is wrong; compare the shares with those that you expect.
-- Severity: note. View: version_faults_sets.
SELECT
    declared_regions.dataset,
    declared_regions.version,
    declared_regions.version_id,
    CAST(sum(declared_regions.area) AS BIGINT) AS "count",
    coalesce(array_to_string(declared_regions.labels, ', '), 'no label') || ': '
        || format('{:.2f}', 100 * sum(declared_regions.area) / whole.area) || ' % of the declared pixels'
        || CASE declared_regions.mask_id WHEN '' THEN '' ELSE ' of masks ' || declared_regions.mask_id END || ', in '
        || count(DISTINCT declared_regions.frame_key) || ' of ' || whole.frame_count || ' frames' AS message
FROM declared_regions
JOIN (
    SELECT version_id, mask_id, sum(area) AS area, count(DISTINCT frame_key) AS frame_count
    FROM declared_regions
    GROUP BY version_id, mask_id
) AS whole
    ON whole.version_id = declared_regions.version_id AND whole.mask_id = declared_regions.mask_id
GROUP BY
    declared_regions.dataset,
    declared_regions.version,
    declared_regions.version_id,
    declared_regions.mask_id,
    declared_regions.labels,
    whole.area,
    whole.frame_count
