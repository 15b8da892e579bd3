-- No row: the columns of a finding and their types. The rows of the checks are added by the names of their columns.
SELECT
    CAST(NULL AS VARCHAR) AS "check",
    CAST(NULL AS VARCHAR) AS severity,
    CAST(NULL AS VARCHAR) AS dataset,
    CAST(NULL AS VARCHAR) AS version,
    CAST(NULL AS BIGINT) AS version_id,
    CAST(NULL AS VARCHAR) AS frame_id,
    CAST(NULL AS VARCHAR) AS source_id,
    CAST(NULL AS VARCHAR) AS mask_uri,
    CAST(NULL AS INTEGER[]) AS "value",
    CAST(NULL AS BIGINT) AS "count",
    CAST(NULL AS VARCHAR) AS message
WHERE false
