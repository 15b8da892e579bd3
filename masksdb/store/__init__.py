"""The DuckDB file: opening and migrating it, its SQL, versions, frames and label mappings."""
