-- One row per frame of $frame_keys, with the hash of its present content: the JSON text from sql/store/frame_json.sql.
CREATE OR REPLACE TEMP TABLE hashed_frames AS
SELECT frame_key, md5(json_normalize(frame)) AS content_hash
FROM (
{frame_json}
);
