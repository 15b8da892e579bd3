-- Whether a mask value of 1, 3 or 4 integers stands for a stored value: 1 is compared with the raw sample (NULL: the mask has
-- none, and 1 integer matches nothing), 3 with red, green and blue as displayed, 4 with alpha too. -1 matches any number in
-- its place. NULL where the mask value is NULL.
CREATE OR REPLACE MACRO value_matches(mask_value, sample, red, green, blue, alpha) AS
    CASE len(mask_value)
        WHEN 1 THEN sample IS NOT NULL AND mask_value[1] IN (-1, sample)
        ELSE mask_value[1] IN (-1, red)
            AND mask_value[2] IN (-1, green)
            AND mask_value[3] IN (-1, blue)
            AND (len(mask_value) = 3 OR mask_value[4] IN (-1, alpha))
    END;
