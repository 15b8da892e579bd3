-- One row per table of database $database: its name and its columns.
SELECT duckdb_tables.table_name, list(column_name ORDER BY column_index) AS columns
FROM duckdb_tables()
JOIN duckdb_columns()
    ON duckdb_columns.table_oid = duckdb_tables.table_oid AND duckdb_columns.database_name = duckdb_tables.database_name
WHERE duckdb_tables.database_name = $database AND duckdb_tables.schema_name = 'main'
GROUP BY duckdb_tables.table_name
ORDER BY duckdb_tables.table_name;
