-- One row per finding about the versions of $version_ids.
CREATE OR REPLACE TEMP TABLE checked_findings AS
SELECT *
FROM version_findings
WHERE version_id IN (SELECT unnest($version_ids));
