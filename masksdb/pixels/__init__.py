"""Masks without a database: files to pixels, pixels to regions, and the SQL functions over them."""
