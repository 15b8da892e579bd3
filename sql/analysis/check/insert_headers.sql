-- One row per image file of the Arrow table new_headers, into image_headers, in the place of its earlier row.
DELETE FROM image_headers WHERE uri IN (SELECT uri FROM new_headers);
INSERT INTO image_headers (uri, content_type, width, height, orientation, fingerprint, error)
SELECT uri, content_type, width, height, orientation, fingerprint, error
FROM new_headers;
