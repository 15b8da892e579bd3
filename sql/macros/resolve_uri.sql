-- The URI to read: media_root joined to a relative one; absolute paths and schemes untouched.
CREATE OR REPLACE MACRO resolve_uri(media_root, uri) AS
    CASE
        WHEN media_root IS NULL OR regexp_matches(uri, '^(/|\\|[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]*://|file:)')
        THEN uri
        ELSE media_root || '/' || uri
    END;
