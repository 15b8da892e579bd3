-- Whether two references are to one mask image: the same URI, and the same timestamp or none in both.
CREATE OR REPLACE MACRO same_mask(uri_a, timestamp_a, uri_b, timestamp_b) AS
    uri_a = uri_b AND timestamp_a IS NOT DISTINCT FROM timestamp_b;
