-- Whether an analysed region (sample and colours as stored) is of a ROI's value: 1, 3 or 4 integers, -1 for any.
CREATE OR REPLACE MACRO region_has_value(wanted, sample, red, green, blue, alpha) AS
    CASE len(wanted)
        WHEN 1 THEN wanted[1] IN (-1, sample)
        ELSE wanted[1] IN (-1, red)
            AND wanted[2] IN (-1, green)
            AND wanted[3] IN (-1, blue)
            AND (len(wanted) = 3 OR wanted[4] IN (-1, alpha))
    END;
