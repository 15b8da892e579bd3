-- Macros that turn JSON values into columns. A column reproduces a JSON value if it is written as the same text again; every
-- value that its column does not reproduce is kept in extra.

-- The text of a JSON string, or of a number that is used as an id; NULL for anything else.
CREATE OR REPLACE TEMP MACRO text_or_number(json_value) AS
    CASE WHEN regexp_matches(CAST(json_value AS VARCHAR), '^["0-9-]') THEN json_value ->> '$' END;

-- The text of a JSON string; NULL for anything else.
CREATE OR REPLACE TEMP MACRO text_only(json_value) AS
    CASE WHEN starts_with(CAST(json_value AS VARCHAR), '"') THEN json_value ->> '$' END;

-- The value of a JSON number without a fraction, of the type of the column; NULL for anything else.
CREATE OR REPLACE TEMP MACRO whole_number(parsed, json_value) AS
    CASE
        WHEN CAST(parsed AS VARCHAR) = CAST(json_value AS VARCHAR) THEN parsed
        WHEN CAST(parsed AS DOUBLE) = TRY_CAST(CAST(json_value AS VARCHAR) AS DOUBLE) THEN parsed
    END;

-- The same of a number of pixels, which is not negative.
CREATE OR REPLACE TEMP MACRO pixels(parsed, json_value) AS
    CASE WHEN parsed >= 0 THEN whole_number(parsed, json_value) END;

-- Whether all members of a JSON array are numbers.
CREATE OR REPLACE TEMP MACRO all_numbers(json_value) AS
    json_type(json_value) = 'ARRAY'
    AND list_has_all(['BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'], json_type(json_value, '$[*]'));

-- The texts of a JSON array of strings (numbers as text), or of one string; NULL for anything else.
-- parsed is the array as DuckDB casts it, is_kept whether that reproduces it.
CREATE OR REPLACE TEMP MACRO text_list(parsed, is_kept, json_value) AS
    CASE
        WHEN is_kept THEN parsed
        WHEN json_type(json_value) = 'VARCHAR' THEN [json_value ->> '$']
        WHEN json_type(json_value) = 'ARRAY'
            AND list_has_all(
                ['VARCHAR', 'BIGINT', 'UBIGINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE'], json_type(json_value, '$[*]')
            )
        THEN json_value ->> '$[*]'
    END;
