-- One row per file of this ingest, given as lists of equal length: where it is read (perhaps a copy), its name for
-- people, what its relative URIs are relative to and whether the user said so, its layout, and the row it gets in inputs.
CREATE OR REPLACE TEMP TABLE read_files AS
SELECT nextval('input_ids') AS input_id, given.*
FROM (
    SELECT
        unnest($read_paths) AS read_path,
        unnest($paths) AS path,
        unnest($media_roots) AS media_root,
        unnest($roots_are_given) AS root_is_given,
        unnest($formats) AS format
) AS given;
