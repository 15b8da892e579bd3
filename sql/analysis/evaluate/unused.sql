-- One row per text of the list $ignore that is no class and no value in these masks: name.
SELECT unnest(CAST($ignore AS VARCHAR[])) AS name
EXCEPT (
    SELECT class FROM meanings
    UNION ALL
    SELECT array_to_string("value", ',') FROM meanings
    UNION ALL
    SELECT array_to_string(truth_colour[1:3], ',') FROM shared
    UNION ALL
    SELECT array_to_string(prediction_colour[1:3], ',') FROM shared
)
ORDER BY name;
