-- Replaces what is known of the image files in the Arrow table new_headers by that.
DELETE FROM image_headers WHERE uri IN (SELECT uri FROM new_headers);
INSERT INTO image_headers (uri, content_type, width, height, orientation, fingerprint, error)
SELECT uri, content_type, width, height, orientation, fingerprint, error
FROM new_headers;
