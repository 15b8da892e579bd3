-- The members of a JSON object without those of some keys (NULLs among the keys are ignored), on one line; NULL if none is
-- left. An object with duplicate keys stays whole; faults.sql reports it.
CREATE OR REPLACE TEMP MACRO without_keys(json_object, dropped_keys) AS
    nullif(
        CASE
            WHEN list_unique(json_keys(json_object)) < len(json_keys(json_object)) OR list_count(dropped_keys) = 0
            THEN json(json_object)
            ELSE json_merge_patch(json_object, '{"' || array_to_string(dropped_keys, '":null,"') || '":null}')
        END,
        '{}'
    );

-- A JSON object with one more member; either may be NULL.
CREATE OR REPLACE TEMP MACRO with_member(json_object, member_name, member_value) AS
    CAST(
        CASE
            WHEN member_value IS NULL THEN json_object
            WHEN json_object IS NULL THEN '{' || to_json(member_name) || ':' || member_value || '}'
            ELSE left(json_object, -1) || ',' || to_json(member_name) || ':' || member_value || '}'
        END
        AS JSON
    );

-- One member of a JSON object as text; NULL without a value, or if extra holds it verbatim.
CREATE OR REPLACE TEMP MACRO member(member_name, json_value, extra) AS
    CASE
        WHEN json_value IS NOT NULL AND (extra IS NULL OR NOT json_exists(extra, '$.' || member_name))
        THEN '"' || member_name || '":' || CAST(json_value AS VARCHAR)
    END;

-- The members of a JSON object as text, without its braces.
CREATE OR REPLACE TEMP MACRO members_of(json_object) AS nullif(CAST(json_object AS VARCHAR)[2:-2], '');
