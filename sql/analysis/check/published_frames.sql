-- One row per frame that a published version of $version_ids saves: frame_key.
SELECT frames.frame_key
FROM frames
JOIN versions ON versions.version_id = frames.version_id
WHERE versions.status = 'published' AND versions.version_id IN (SELECT unnest($version_ids))
ORDER BY frames.frame_key;
