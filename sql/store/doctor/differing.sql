-- One row with the number of rows of a table that should not be there, and of those that are missing, unless there is none.
SELECT count(*) AS rows
FROM (
    (FROM main.{table} EXCEPT ALL FROM ({expected}))
    UNION ALL
    (FROM ({expected}) EXCEPT ALL FROM main.{table})
)
HAVING count(*) > 0;
