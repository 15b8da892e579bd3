-- One row per text of the list $ignore that is neither a class nor a value in these masks: name.
SELECT unnest(CAST($ignore AS VARCHAR[])) AS name
EXCEPT (
    SELECT class FROM value_classes
    UNION ALL
    SELECT array_to_string("value", ',') FROM value_classes
    UNION ALL
    SELECT array_to_string(truth_colour[1:3], ',') FROM shared_values
    UNION ALL
    SELECT array_to_string(prediction_colour[1:3], ',') FROM shared_values
)
ORDER BY name;
