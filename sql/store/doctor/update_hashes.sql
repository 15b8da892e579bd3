-- Gives the frames of drafts among $keys the hashes of their content, $hashes.
UPDATE frames
SET content_hash = altered.content_hash
FROM (SELECT unnest($keys) AS frame_key, unnest($hashes) AS content_hash) AS altered
WHERE altered.frame_key = frames.frame_key
    AND frames.version_id IN (SELECT version_id FROM versions WHERE status = 'draft');
