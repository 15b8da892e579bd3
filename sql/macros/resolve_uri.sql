-- The URI to read: a relative one joined to media_root; absolute paths and URIs with a scheme as they are.
CREATE OR REPLACE MACRO resolve_uri(media_root, uri) AS
    CASE
        WHEN media_root IS NULL OR regexp_matches(uri, '^(/|\\|[A-Za-z]:[\\/]|[A-Za-z][A-Za-z0-9+.-]*://|file:)')
        THEN uri
        ELSE media_root || '/' || uri
    END;
