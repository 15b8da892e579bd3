-- The findings about the versions of $version_ids.
CREATE OR REPLACE TEMP TABLE found AS
SELECT *
FROM version_findings
WHERE version_id IN (SELECT unnest($version_ids));
