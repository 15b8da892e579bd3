-- One row per finding about the files of a version: masks and images that are missing, cut off, unreadable, of another type or
-- size than declared, or turned by EXIF while their counterpart is not; and published versions that have been altered.
CREATE OR REPLACE VIEW version_faults_files AS
-- One row per visible frame and image file of it, of a source or a mask; findings of a source name its file in the message.
WITH images AS (
    SELECT
        dataset_frames.dataset,
        dataset_frames.version,
        dataset_frames.version_id,
        dataset_frames.frame_id,
        dataset_frames.saved_in_version_id,
        image.kind,
        image.source_id,
        resolve_uri(dataset_frames.media_root, image.uri) AS uri,
        CASE image.kind WHEN 'mask' THEN resolve_uri(dataset_frames.media_root, image.uri) END AS mask_uri,
        CASE image.kind WHEN 'source' THEN resolve_uri(dataset_frames.media_root, image.uri) || ': ' ELSE '' END AS subject,
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
-- One row per version and image file that cannot be read, with the error and its kind. The error of the header comes first:
-- what is reported of a missing end depends on the decoder.
faulty_images AS (
    SELECT
        dataset,
        version,
        version_id,
        kind,
        any_value(mask_uri) AS mask_uri,
        CASE
            WHEN starts_with(error, 'no such file') THEN 'missing'
            WHEN regexp_matches(error, 'cut off|truncated', 'i') THEN 'truncated'
            ELSE 'unreadable'
        END AS fault,
        min(frame_id) AS frame_id,
        min(source_id) AS source_id,
        count(*) AS "count",
        any_value(subject) || min(error) AS message
    FROM (
        SELECT
            images.*,
            coalesce(
                image_headers.error,
                CASE
                    WHEN starts_with(mask_files.error, images.uri || ': ')
                    THEN substr(mask_files.error, len(images.uri) + 3)
                    ELSE mask_files.error
                END
            ) AS error
        FROM images
        LEFT JOIN image_headers ON image_headers.uri = images.uri AND image_headers.error IS NOT NULL
        LEFT JOIN mask_files
            ON same_mask(mask_files.uri, mask_files."timestamp", images.uri, images."timestamp")
            AND images.kind = 'mask'
            AND mask_files.error IS NOT NULL
        WHERE coalesce(image_headers.error, mask_files.error) IS NOT NULL
    )
    GROUP BY dataset, version, version_id, kind, uri, fault
),
-- One row per version, image file and declared type that is not that of its content.
mistyped_images AS (
    SELECT
        images.dataset,
        images.version,
        images.version_id,
        images.kind,
        any_value(images.mask_uri) AS mask_uri,
        min(images.frame_id) AS frame_id,
        min(images.source_id) AS source_id,
        count(*) AS "count",
        any_value(images.subject) || 'declared as ' || images.content_type || ', and its content is '
            || min(image_headers.content_type) AS message
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
),
-- One row per version, image file and declared size that is not that of the file, as stored or, of a turned image, as shown.
missized_images AS (
    SELECT
        images.dataset,
        images.version,
        images.version_id,
        images.kind,
        any_value(images.mask_uri) AS mask_uri,
        min(images.frame_id) AS frame_id,
        min(images.source_id) AS source_id,
        count(*) AS "count",
        any_value(images.subject) || 'declared as ' || images.width || ' x ' || images.height || ', and has '
            || min(image_headers.width) || ' x ' || min(image_headers.height) || ' pixels' AS message
    FROM images
    JOIN image_headers ON image_headers.uri = images.uri AND image_headers.width IS NOT NULL
    WHERE images.width IS NOT NULL
        AND images.height IS NOT NULL
        AND (images.width <> image_headers.width OR images.height <> image_headers.height)
        AND NOT (
            image_headers.orientation >= 5
            AND images.width = image_headers.height
            AND images.height = image_headers.width
        )
    GROUP BY images.dataset, images.version, images.version_id, images.kind, images.uri, images.width, images.height
),
-- One row per mask of another EXIF orientation or size than its source.
misfitting_masks AS (
    SELECT
        sized_masks.* EXCLUDE (source_uri, source_width, source_height),
        1 AS "count",
        coalesce(source_headers.width, sized_masks.source_width) AS source_width,
        coalesce(source_headers.height, sized_masks.source_height) AS source_height,
        coalesce(source_headers.orientation, 1) AS source_orientation
    FROM (
        SELECT
            frame_masks.dataset,
            frame_masks.version,
            frame_masks.version_id,
            frame_masks.frame_id,
            frame_masks.source_id,
            frame_masks.source_uri,
            frame_masks.width AS source_width,
            frame_masks.height AS source_height,
            frame_masks.mask_uri,
            coalesce(image_headers.width, mask_files.width) AS width,
            coalesce(image_headers.height, mask_files.height) AS height,
            coalesce(image_headers.orientation, 1) AS orientation
        FROM frame_masks
        LEFT JOIN image_headers ON image_headers.uri = frame_masks.mask_uri
        LEFT JOIN mask_files
            ON same_mask(mask_files.uri, mask_files."timestamp", frame_masks.mask_uri, frame_masks.mask."timestamp")
        WHERE coalesce(image_headers.width, mask_files.width) IS NOT NULL
    ) AS sized_masks
    LEFT JOIN image_headers AS source_headers
        ON source_headers.uri = sized_masks.source_uri AND source_headers.width IS NOT NULL
    WHERE (sized_masks.orientation <> coalesce(source_headers.orientation, 1) AND source_headers.uri IS NOT NULL)
        OR sized_masks.width <> coalesce(source_headers.width, sized_masks.source_width)
        OR sized_masks.height <> coalesce(source_headers.height, sized_masks.source_height)
)
-- The rows of the checks follow: the files in sql/views/checks/ that name this view.
