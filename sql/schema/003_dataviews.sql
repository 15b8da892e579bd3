-- Saved views.

CREATE SEQUENCE dataview_ids;

-- One row per saved view. definition holds its queries, mapping rules, label numbers and order; sql is its statement at the
-- time when it was saved; frozen_hash is the hash of its result at the time when it was frozen.
CREATE TABLE dataviews (
    dataview_id BIGINT PRIMARY KEY DEFAULT nextval('dataview_ids'),
    name VARCHAR NOT NULL UNIQUE,
    definition JSON NOT NULL,
    sql VARCHAR NOT NULL,
    created_at TIMESTAMP NOT NULL DEFAULT epoch_ms(epoch_ms(now())),
    frozen_hash VARCHAR,
    frozen_at TIMESTAMP
);
