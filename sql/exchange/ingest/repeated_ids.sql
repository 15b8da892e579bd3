-- One row per frame with the id of an earlier record of this ingest: record, frame_key, frame_id, first_record.
SELECT record, frame_key, frame_id, first_record
FROM (
    SELECT record, frame_key, frame_id, min(record) OVER (PARTITION BY frame_id) AS first_record
    FROM incoming
    WHERE frame_id IN (SELECT frame_id FROM incoming GROUP BY frame_id HAVING count(*) > 1)
)
WHERE record > first_record
ORDER BY record;
