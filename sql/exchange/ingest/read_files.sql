-- Temporary table, one row per file of this ingest, bound as lists of equal length: input_id (its key in inputs), read_path
-- (perhaps of a copy), path (as the user named it), media_root (relative URIs are relative to it), root_is_given (whether
-- the user named that), format (the layout).
CREATE OR REPLACE TEMP TABLE read_files AS
SELECT nextval('input_ids') AS input_id, files.*
FROM (
    SELECT
        unnest($read_paths) AS read_path,
        unnest($paths) AS path,
        unnest($media_roots) AS media_root,
        unnest($roots_are_given) AS root_is_given,
        unnest($formats) AS format
) AS files;
