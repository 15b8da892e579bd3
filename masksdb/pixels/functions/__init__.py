"""The SQL functions over masks and run lengths: Arrow columns in, Arrow columns out."""
