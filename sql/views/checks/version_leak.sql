-- One row per version and mask whose pixels are under another `frame_id` in another version, of this dataset or
-- another, where neither version inherits from the other; `count` is those others.
-- To do: leave the frame out of one of the versions where one is trained on and the other tests.
-- Severity: warning. View: version_faults_sets.
SELECT
    equal_masks.dataset,
    equal_masks.version,
    equal_masks.version_id,
    min(equal_masks.frame_id) AS frame_id,
    min(equal_masks.source_id) AS source_id,
    min(equal_masks.mask_uri) AS mask_uri,
    count(*) AS "count",
    'the same pixels as frame ' || min(other.frame_id) || ' of ' || min(other.dataset || '/' || other.version) AS message
FROM equal_masks
JOIN equal_masks AS other ON other.pixel_hash = equal_masks.pixel_hash
JOIN unrelated_versions
    ON unrelated_versions.version_id = equal_masks.version_id AND unrelated_versions.other_version_id = other.version_id
WHERE equal_masks.frame_id <> other.frame_id OR equal_masks.other_frame_id <> other.other_frame_id
GROUP BY equal_masks.dataset, equal_masks.version, equal_masks.version_id, equal_masks.pixel_hash
