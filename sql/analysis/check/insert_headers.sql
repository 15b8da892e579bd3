-- One row per image file of the Arrow table new_headers, into image_headers, in the place of its earlier row; of a file that
-- cannot be reached (it has no fingerprint) only the error.
DELETE FROM image_headers WHERE uri IN (SELECT uri FROM new_headers WHERE fingerprint IS NOT NULL);
UPDATE image_headers
SET error = new_headers.error, checked_at = current_localtimestamp()
FROM new_headers
WHERE new_headers.uri = image_headers.uri;
INSERT INTO image_headers (uri, content_type, width, height, orientation, fingerprint, error)
SELECT uri, content_type, width, height, orientation, fingerprint, error
FROM new_headers
ANTI JOIN image_headers USING (uri);
