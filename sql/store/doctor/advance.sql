-- Advances a sequence to the highest value of a column.
SELECT max(nextval({sequence}))
FROM range((SELECT coalesce(max({column}), 0) FROM {table}));
