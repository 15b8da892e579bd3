-- Removes the versions of $version_ids; their frames are removed before.
DELETE FROM frame_shadows WHERE version_id IN (SELECT unnest($version_ids));
DELETE FROM version_lineage WHERE version_id IN (SELECT unnest($version_ids));
DELETE FROM version_parents WHERE version_id IN (SELECT unnest($version_ids));
DELETE FROM versions WHERE version_id IN (SELECT unnest($version_ids));
