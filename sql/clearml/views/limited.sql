-- One row per frame of `ordered` whose place is below $frame_limit.
SELECT *
FROM ordered
WHERE place < $frame_limit
