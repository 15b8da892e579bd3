-- A JSON number; NULL for anything else.
CREATE OR REPLACE MACRO json_number(item) AS
    CASE WHEN json_type(item) IN ('BIGINT', 'UBIGINT', 'DOUBLE')
        THEN TRY_CAST(json_extract_string(item, '$') AS DOUBLE)
    END;
