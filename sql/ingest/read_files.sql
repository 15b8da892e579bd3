-- One row per file of this ingest, given as lists of equal length: where it is read (a spooled copy for standard
-- input), its name for people, and the row it gets in inputs.
CREATE OR REPLACE TEMP TABLE read_files AS
SELECT nextval('input_ids') AS input_id, given.*
FROM (
    SELECT unnest($read_paths) AS read_path, unnest($paths) AS path, unnest($media_roots) AS media_root
) AS given;
