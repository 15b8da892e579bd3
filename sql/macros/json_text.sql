-- A JSON string, number or boolean as text; NULL for anything else.
CREATE OR REPLACE MACRO json_text(item) AS
    CASE WHEN json_type(item) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(item, '$') END;
