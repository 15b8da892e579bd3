-- Copies the rows of a table with a rowid from $first up to $last.
INSERT INTO main.{table} ({columns})
SELECT {columns}
FROM damaged.main.{table}
WHERE rowid BETWEEN $first AND $last;
