-- One row per finding about the files of a version: masks and sources that are missing, cut off or unreadable, that are not of
-- the declared kind or size, that are turned otherwise than their source; and published versions that were altered since.
CREATE OR REPLACE VIEW version_faults_files AS
WITH masks_found AS (
    SELECT
        frame_masks.dataset,
        frame_masks.version,
        frame_masks.version_id,
        frame_masks.frame_key,
        frame_masks.frame_id,
        frame_masks.source_index,
        frame_masks.source_id,
        frame_masks.mask_index,
        frame_masks.source_uri,
        frame_masks.width AS source_width,
        frame_masks.height AS source_height,
        frame_masks.mask_uri,
        coalesce(image_headers.width, mask_files.width) AS width,
        coalesce(image_headers.height, mask_files.height) AS height,
        image_headers.orientation
    FROM frame_masks
    LEFT JOIN image_headers ON image_headers.uri = frame_masks.mask_uri
    LEFT JOIN mask_files
        ON mask_files.uri = frame_masks.mask_uri
        AND coalesce(mask_files."timestamp", -1) = coalesce(frame_masks.mask."timestamp", -1)
    WHERE coalesce(image_headers.width, mask_files.width) IS NOT NULL
),
images AS (
    SELECT
        dataset_frames.dataset,
        dataset_frames.version,
        dataset_frames.version_id,
        dataset_frames.frame_id,
        image.kind,
        image.source_id,
        resolve_uri(dataset_frames.media_root, image.uri) AS uri,
        image."timestamp",
        lower(image.content_type) AS content_type,
        image.width,
        image.height
    FROM dataset_frames
    JOIN (
        SELECT frame_key, 'source' AS kind, source_id, uri, CAST(NULL AS BIGINT) AS "timestamp", content_type, width, height
        FROM sources
        UNION ALL
        SELECT
            masks.frame_key,
            'mask',
            sources.source_id,
            masks.uri,
            masks."timestamp",
            masks.content_type,
            masks.width,
            masks.height
        FROM masks
        JOIN sources ON sources.frame_key = masks.frame_key AND sources.source_index = masks.source_index
    ) AS image
        ON image.frame_key = dataset_frames.frame_key
    WHERE image.uri IS NOT NULL
),
-- The header of a file says it first: what a decoder says of a missing end depends on the decoder.
faulty AS (
    SELECT
        images.*,
        coalesce(
            image_headers.error,
            CASE
                WHEN starts_with(mask_files.error, images.uri || ': ') THEN substr(mask_files.error, len(images.uri) + 3)
                ELSE mask_files.error
            END
        ) AS error
    FROM images
    LEFT JOIN image_headers ON image_headers.uri = images.uri AND image_headers.error IS NOT NULL
    LEFT JOIN mask_files
        ON mask_files.uri = images.uri
        AND coalesce(mask_files."timestamp", -1) = coalesce(images."timestamp", -1)
        AND images.kind = 'mask'
        AND mask_files.error IS NOT NULL
    WHERE coalesce(image_headers.error, mask_files.error) IS NOT NULL
),
named AS (
    SELECT
        *,
        CASE
            WHEN starts_with(error, 'no such file') THEN 'missing'
            WHEN regexp_matches(error, 'cut off|truncated', 'i') THEN 'truncated'
            ELSE 'unreadable'
        END AS fault
    FROM faulty
)
SELECT
    kind || '_' || fault AS "check",
    -- Masks are often looked at without their images.
    CASE WHEN kind = 'source' AND fault = 'missing' THEN 'warning' ELSE 'error' END AS severity,
    dataset,
    version,
    version_id,
    min(frame_id) AS frame_id,
    min(source_id) AS source_id,
    CASE WHEN kind = 'mask' THEN uri END AS mask_uri,
    CAST(NULL AS INTEGER[]) AS "value",
    count(*) AS "count",
    CASE WHEN kind = 'source' THEN uri || ': ' ELSE '' END || min(error) AS message
FROM named
GROUP BY dataset, version, version_id, kind, fault, uri
UNION ALL
SELECT
    images.kind || '_content_type',
    'warning',
    images.dataset,
    images.version,
    images.version_id,
    min(images.frame_id),
    min(images.source_id),
    CASE WHEN images.kind = 'mask' THEN images.uri END,
    NULL,
    count(*),
    CASE WHEN images.kind = 'source' THEN images.uri || ': ' ELSE '' END || 'declared as ' || images.content_type || ', and its content is ' || min(image_headers.content_type)
FROM images
JOIN image_headers ON image_headers.uri = images.uri AND image_headers.content_type IS NOT NULL
WHERE image_headers.content_type <> CASE images.content_type
        WHEN 'image/jpg' THEN 'image/jpeg'
        WHEN 'image/tif' THEN 'image/tiff'
        WHEN 'image/x-ms-bmp' THEN 'image/bmp'
        WHEN 'image/x-png' THEN 'image/png'
        ELSE images.content_type
    END
    AND NOT (image_headers.content_type = 'video' AND starts_with(images.content_type, 'video'))
GROUP BY images.dataset, images.version, images.version_id, images.kind, images.uri, images.content_type
UNION ALL
SELECT
    images.kind || '_declared_size',
    'error',
    images.dataset,
    images.version,
    images.version_id,
    min(images.frame_id),
    min(images.source_id),
    CASE WHEN images.kind = 'mask' THEN images.uri END,
    NULL,
    count(*),
    CASE WHEN images.kind = 'source' THEN images.uri || ': ' ELSE '' END || 'declared as ' || images.width || ' x ' || images.height || ', and has '
        || min(image_headers.width) || ' x ' || min(image_headers.height) || ' pixels'
FROM images
JOIN image_headers ON image_headers.uri = images.uri AND image_headers.width IS NOT NULL
WHERE images.width IS NOT NULL
    AND images.height IS NOT NULL
    AND (images.width <> image_headers.width OR images.height <> image_headers.height)
    -- Of a turned picture the size as shown is right, too.
    AND NOT (
        image_headers.orientation >= 5 AND images.width = image_headers.height AND images.height = image_headers.width
    )
GROUP BY images.dataset, images.version, images.version_id, images.kind, images.uri, images.width, images.height
UNION ALL
SELECT
    CASE
        WHEN coalesce(masks_found.orientation, 1) <> coalesce(source_headers.orientation, 1) THEN 'orientation'
        ELSE 'mask_size'
    END,
    CASE
        WHEN coalesce(masks_found.orientation, 1) <> coalesce(source_headers.orientation, 1) THEN 'warning'
        ELSE 'error'
    END,
    masks_found.dataset,
    masks_found.version,
    masks_found.version_id,
    masks_found.frame_id,
    masks_found.source_id,
    masks_found.mask_uri,
    NULL,
    1,
    CASE
        WHEN coalesce(masks_found.orientation, 1) <> coalesce(source_headers.orientation, 1)
        THEN 'EXIF orientation ' || coalesce(masks_found.orientation, 1) || ', and its source '
            || coalesce(source_headers.orientation, 1)
        ELSE masks_found.width || ' x ' || masks_found.height || ' pixels, and its source '
            || coalesce(source_headers.width, masks_found.source_width) || ' x '
            || coalesce(source_headers.height, masks_found.source_height)
    END
FROM masks_found
LEFT JOIN image_headers AS source_headers
    ON source_headers.uri = masks_found.source_uri AND source_headers.width IS NOT NULL
WHERE coalesce(masks_found.orientation, 1) <> coalesce(source_headers.orientation, 1)
    AND source_headers.uri IS NOT NULL
    OR masks_found.width <> coalesce(source_headers.width, masks_found.source_width)
    OR masks_found.height <> coalesce(source_headers.height, masks_found.source_height)
UNION ALL
SELECT
    'altered',
    'error',
    datasets.name,
    versions.name,
    versions.version_id,
    altered_frames.frame_id,
    NULL,
    NULL,
    NULL,
    1,
    CASE
        WHEN altered_frames.frame_id IS NULL
        THEN 'published, and its frames or labels are no longer those that were published'
        ELSE 'published, and no longer what was published'
    END
FROM altered_frames
JOIN versions ON versions.version_id = altered_frames.version_id
JOIN datasets ON datasets.dataset_id = versions.dataset_id;
