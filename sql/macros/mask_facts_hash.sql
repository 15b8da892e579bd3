-- The hash of a row of mask_files and its regions, whose hash mask_region_hashes gives (NULL without regions).
CREATE OR REPLACE MACRO mask_facts_hash(
    regions_hash, content_type, height, width, mode, is_video, is_lossy, pixel_hash, unassigned
) AS
    md5(to_json([
        regions_hash,
        content_type,
        CAST(height AS VARCHAR),
        CAST(width AS VARCHAR),
        mode,
        CAST(is_video AS VARCHAR),
        CAST(is_lossy AS VARCHAR),
        pixel_hash,
        CAST(unassigned AS VARCHAR)
    ]));
