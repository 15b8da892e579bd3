-- One row per finding of any check: an error, something likely wrong (warning), or something good to know (note) in a version.
-- docs/checks.md explains the checks. Those of files and pixels have rows once 'masksdb check' has read the files.
CREATE OR REPLACE VIEW version_findings AS
SELECT * FROM version_faults_files
UNION ALL
SELECT * FROM version_faults_meaning
UNION ALL
SELECT * FROM version_faults_colours
UNION ALL
SELECT * FROM version_faults_sets;
