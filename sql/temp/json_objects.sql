-- The members of a JSON object except those with the given keys, verbatim; NULL where none is left. An object
-- with duplicate keys cannot be a MAP and comes back whole, to be found by faults.sql.
CREATE OR REPLACE TEMP MACRO without_keys(json_object, dropped_keys) AS
    CASE
        WHEN from_json(json_object, '"MAP(VARCHAR, JSON)"') IS NULL THEN json_object
        ELSE nullif(
            to_json(map_from_entries(list_filter(
                map_entries(from_json(json_object, '"MAP(VARCHAR, JSON)"')),
                lambda member: NOT coalesce(list_contains(dropped_keys, member.key), false)
            ))),
            '{}'
        )
    END;

-- A JSON object with one member more, both of which may be NULL.
CREATE OR REPLACE TEMP MACRO with_member(json_object, member_name, member_value) AS
    CAST(
        CASE
            WHEN member_value IS NULL THEN json_object
            WHEN json_object IS NULL THEN '{' || to_json(member_name) || ':' || member_value || '}'
            ELSE left(json_object, -1) || ',' || to_json(member_name) || ':' || member_value || '}'
        END
        AS JSON
    );

-- One member of a JSON object as text, NULL where there is none or extra holds it verbatim.
CREATE OR REPLACE TEMP MACRO member(member_name, json_value, extra) AS
    CASE
        WHEN json_value IS NOT NULL AND (extra IS NULL OR NOT json_exists(extra, '$.' || member_name))
        THEN '"' || member_name || '":' || CAST(json_value AS VARCHAR)
    END;

-- The members of a JSON object as text, without its braces.
CREATE OR REPLACE TEMP MACRO members_of(json_object) AS nullif(CAST(json_object AS VARCHAR)[2:-2], '');
