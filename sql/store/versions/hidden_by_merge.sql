-- One row per frame of an ancestor of version $version_id that is visible in no parent, or whose frame_id is visible as
-- another frame in an earlier parent.
CREATE OR REPLACE TEMP TABLE hidden_frames AS
WITH shown AS (
    SELECT arg_min(dataset_frames.frame_key, version_parents.position) AS frame_key
    FROM version_parents
    JOIN dataset_frames ON dataset_frames.version_id = version_parents.parent_id
    WHERE version_parents.version_id = $version_id
    GROUP BY dataset_frames.frame_id
)
SELECT frames.frame_key
FROM version_lineage
JOIN frames ON frames.version_id = version_lineage.ancestor_id
ANTI JOIN shown ON shown.frame_key = frames.frame_key
WHERE version_lineage.version_id = $version_id;
