-- A date, or date and time, in a JSON string as microseconds since 1970, UTC without an offset; NULL for anything else.
CREATE OR REPLACE MACRO json_microseconds(item) AS
    CASE
        WHEN json_type(item) = 'VARCHAR'
        THEN epoch_us(TRY_CAST(
            CASE
                WHEN regexp_full_match(json_extract_string(item, '$'), '\d{4}-\d{2}-\d{2}')
                THEN json_extract_string(item, '$') || ' 00:00:00+00'
                WHEN regexp_full_match(
                    json_extract_string(item, '$'),
                    '\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.]\d+)?)?'
                )
                THEN json_extract_string(item, '$') || '+00'
                WHEN regexp_full_match(
                    json_extract_string(item, '$'),
                    '\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.]\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)'
                )
                THEN json_extract_string(item, '$')
            END AS TIMESTAMPTZ
        ))
    END;
