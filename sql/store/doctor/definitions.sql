-- One row per view and macro of the file: name and definition as DuckDB prints it.
SELECT view_name AS name, sql AS definition
FROM duckdb_views()
WHERE NOT internal AND database_name = current_database() AND NOT temporary
UNION ALL
SELECT function_name, concat_ws(' ', function_type, parameters, macro_definition)
FROM duckdb_functions()
WHERE NOT internal AND database_name = current_database() AND function_type IN ('macro', 'table_macro')
ORDER BY name, definition;
