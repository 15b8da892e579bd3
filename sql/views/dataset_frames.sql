-- One row per frame visible in a version, inherited frames included. Without a context_id of its own a frame has the URI of
-- its first source. The order of the frames is that of position, then frame_key.
CREATE OR REPLACE VIEW dataset_frames AS
SELECT
    datasets.name AS dataset,
    versions.name AS version,
    versions.version_id,
    frames.frame_key,
    frames.frame_id,
    frames.version_id AS saved_in_version_id,
    coalesce(frames.context_id, frames.first_source_uri) AS context_id,
    frames."timestamp",
    frames.meta,
    frames.position,
    frames.content_hash,
    frames.input_id,
    inputs.media_root
FROM datasets
JOIN versions ON versions.dataset_id = datasets.dataset_id
JOIN version_lineage ON version_lineage.version_id = versions.version_id
JOIN frames ON frames.version_id = version_lineage.ancestor_id
JOIN inputs ON inputs.input_id = frames.input_id
-- Joined on the names and the id, and by a left join, so that a filter on any of them reaches the hidden frames too: an anti
-- join would compute those of all versions.
LEFT JOIN (
    SELECT
        named_datasets.name AS dataset,
        named_versions.name AS version,
        named_versions.version_id,
        frame_shadows.frame_key
    FROM datasets AS named_datasets
    JOIN versions AS named_versions ON named_versions.dataset_id = named_datasets.dataset_id
    JOIN version_lineage AS hidden_in ON hidden_in.version_id = named_versions.version_id AND hidden_in.hides
    JOIN frame_shadows ON frame_shadows.version_id = hidden_in.ancestor_id
) AS hidden
    ON hidden.dataset = datasets.name
    AND hidden.version = versions.name
    AND hidden.version_id = versions.version_id
    AND hidden.frame_key = frames.frame_key
WHERE hidden.frame_key IS NULL;
