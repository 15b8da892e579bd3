-- The values at a JSON pointer of a document: the items of an array one by one, anything else as the only one.
CREATE OR REPLACE MACRO json_values(document, pointer) AS
    CASE json_type(document, pointer)
        WHEN 'ARRAY' THEN CAST(json_extract(document, pointer) AS JSON[])
        ELSE [json_extract(document, pointer)]
    END;
