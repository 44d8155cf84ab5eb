-- What was fetched of videos, out of the access events of edges (lua-free/bell_access_event.h), and how far each tenant's stream of them was read.
-- Fetched is not watched: a player is ahead of what it shows, and a program that downloads shows nothing.

CREATE TABLE item_views (
    tenant_id integer NOT NULL REFERENCES tenants,
    user_id bigint NOT NULL,
    item_id bigint NOT NULL, -- a video
    fetched_ms int8multirange NOT NULL, -- of its time, in milliseconds; whatever the rendition
    duration_ms bigint NOT NULL CHECK (duration_ms > 0), -- when something was fetched last
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    completed_at timestamptz, -- when the item was completed because of what was fetched; NULL: it was not
    PRIMARY KEY (tenant_id, user_id, item_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    FOREIGN KEY (tenant_id, item_id) REFERENCES items
) PARTITION BY HASH (tenant_id);

DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE item_views_%s PARTITION OF item_views FOR VALUES WITH (MODULUS 8, REMAINDER %s) WITH (fillfactor = 80)', i, i);
        EXECUTE format('CALL tenant_wall(%L)', 'item_views_' || i);
    END LOOP;
END $$;
CALL tenant_wall('item_views');

-- Changed in the transaction that has the effects of what was read.
CREATE TABLE access_streams (
    tenant_id integer NOT NULL REFERENCES tenants,
    position text COLLATE "C" NOT NULL DEFAULT '0-0' CHECK (position ~ '^[0-9]{1,20}-[0-9]{1,20}$'), -- the last entry that was read
    entries_added bigint NOT NULL DEFAULT 0, -- entries that the stream had got up to there
    -- What became of the events:
    events bigint NOT NULL DEFAULT 0,    -- all that were read
    counted bigint NOT NULL DEFAULT 0,   -- of a user, of a video
    strangers bigint NOT NULL DEFAULT 0, -- of a subject that is no user of the tenant
    others bigint NOT NULL DEFAULT 0,    -- of what is no part of a video
    malformed bigint NOT NULL DEFAULT 0, -- could not be read
    batches_lost bigint NOT NULL DEFAULT 0, -- cut off the stream before they were read
    begun_anew bigint NOT NULL DEFAULT 0,   -- times that the stream was another one, because Redis had lost it
    read_at timestamptz,
    PRIMARY KEY (tenant_id)
) WITH (fillfactor = 50);
CALL tenant_wall('access_streams');
