-- The entries of mask_labels in a version's metadata: a list of (key, value), of mask ids and the list of entries of each.
-- One list without a mask id applies to '_all_' masks.
CREATE OR REPLACE MACRO mask_label_entries(metadata) AS
    map_entries(from_json(
        CASE json_type(metadata, '$.mask_labels')
            WHEN 'ARRAY' THEN json_object('_all_', json_extract(metadata, '$.mask_labels'))
            WHEN 'OBJECT' THEN json_extract(metadata, '$.mask_labels')
        END,
        '"MAP(VARCHAR, JSON[])"'
    ));
