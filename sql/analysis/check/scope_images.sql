-- One row per image file, of a source or a mask, that is visible in version $version_id and dataset $dataset (NULL: in any): uri,
-- and the fingerprint and error of the last check that read it.
SELECT visible.uri, image_headers.fingerprint, image_headers.error
FROM (
    SELECT resolve_uri(dataset_frames.media_root, images.uri) AS uri
    FROM dataset_frames
    JOIN (SELECT frame_key, uri FROM sources UNION ALL SELECT frame_key, uri FROM masks) AS images
        ON images.frame_key = dataset_frames.frame_key
    WHERE images.uri IS NOT NULL
        AND ($dataset IS NULL OR dataset_frames.dataset = $dataset)
        AND ($version_id IS NULL OR dataset_frames.version_id = $version_id)
    GROUP BY ALL
) AS visible
LEFT JOIN image_headers ON image_headers.uri = visible.uri
ORDER BY visible.uri;
