-- One row per finding of all checks: what is wrong (error), likely wrong (warning) or good to know (note) about a version. Before
-- 'masksdb check' has read the files there are only those that need no pixels. docs/checks.md says what each means.
CREATE OR REPLACE VIEW version_findings AS
SELECT * FROM version_faults_files
UNION ALL
SELECT * FROM version_faults_meaning
UNION ALL
SELECT * FROM version_faults_colours
UNION ALL
SELECT * FROM version_faults_sets;
