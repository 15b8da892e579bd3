-- Temporary macros of altered_frames.sql: whether a column is not what ingest makes of the JSON value that extra keeps for it.
-- Where extra has none, item is NULL, and the column is all that is known of the value.
CREATE OR REPLACE TEMP MACRO is_other(stored, item, expected) AS item IS NOT NULL AND stored IS DISTINCT FROM expected;

CREATE OR REPLACE TEMP MACRO is_other_id(stored, item) AS is_other(stored, item, text_or_number(item));

CREATE OR REPLACE TEMP MACRO is_other_text(stored, item) AS is_other(stored, item, text_only(item));

CREATE OR REPLACE TEMP MACRO is_other_time(stored, item) AS
    is_other(stored, item, whole_number(TRY_CAST(CAST(item AS VARCHAR) AS BIGINT), item));

CREATE OR REPLACE TEMP MACRO is_other_size(stored, item) AS
    is_other(stored, item, pixels(TRY_CAST(CAST(item AS VARCHAR) AS INTEGER), item));

CREATE OR REPLACE TEMP MACRO is_other_crowd(stored, item) AS
    is_other(stored, item, CASE WHEN item IN ('true', 'false', '0', '1') THEN item IN ('true', '1') END);

CREATE OR REPLACE TEMP MACRO is_other_poly(stored, item) AS
    is_other(stored, item, CASE
        WHEN all_numbers(item)
            AND (isfinite(list_sum(TRY_CAST(item AS DOUBLE[]))) OR len(TRY_CAST(item AS DOUBLE[])) = 0)
        THEN TRY_CAST(item AS DOUBLE[])
    END);
