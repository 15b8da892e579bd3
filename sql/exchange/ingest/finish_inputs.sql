-- Inputs with neither a new frame nor a reject are deleted; the others get the hash of their frames' hashes.
DELETE FROM inputs
WHERE input_id IN (SELECT input_id FROM read_files)
    AND input_id NOT IN (SELECT input_id FROM incoming WHERE outcome <> 'unchanged')
    AND input_id NOT IN (SELECT input_id FROM rejects);
UPDATE inputs
SET content_hash = hashed.content_hash
FROM (
    SELECT incoming.input_id, md5(string_agg(staged.content_hash, '' ORDER BY staged.rowid)) AS content_hash
    FROM incoming
    JOIN staged ON staged.rowid = incoming.record
    GROUP BY incoming.input_id
) AS hashed
WHERE hashed.input_id = inputs.input_id;
