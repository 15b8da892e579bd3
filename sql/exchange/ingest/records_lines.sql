-- One row per line of the files paths of JSON lines: path, record. No text has these four control characters in a row.
CREATE OR REPLACE TEMP MACRO input_records(paths, object_size) AS TABLE
SELECT filename AS path, line AS record
FROM read_csv(
    paths,
    columns = {'line': 'VARCHAR'},
    delim = E'\x03\x02\x01\x03',
    quote = '',
    escape = '',
    header = false,
    auto_detect = false,
    strict_mode = false,
    max_line_size = object_size,
    buffer_size = object_size,
    filename = true
);
