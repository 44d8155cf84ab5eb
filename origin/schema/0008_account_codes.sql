-- How people who came by roster get into their account: one-time codes and links, pictures in place of a password, and a record of who did what.
-- Codes and links are kept as keyed hashes (HMAC-SHA-256 under `codes_key`), so that neither this table nor a copy of it opens an account.

-- 1 a password; 2 pictures, the password of the youngest: their names in order, hashed as a password is.
ALTER TABLE accounts ADD COLUMN kind smallint NOT NULL DEFAULT 1 CHECK (kind IN (1, 2));

-- What people are looked for by: small letters under collation "C", for only = and ^@ of plain columns can use an index behind the wall.
ALTER TABLE users
    ADD COLUMN login_key text COLLATE "C" GENERATED ALWAYS AS (lower(username)) STORED,
    ADD COLUMN family_key text COLLATE "C" GENERATED ALWAYS AS (lower(family_name COLLATE "default")) STORED,
    ADD COLUMN email_key text COLLATE "C" GENERATED ALWAYS AS (lower(email COLLATE "default")) STORED;
CREATE INDEX users_login_key ON users (tenant_id, login_key) WHERE status = 1;
CREATE INDEX users_family_key ON users (tenant_id, family_key) WHERE status = 1;
CREATE INDEX users_email_key ON users (tenant_id, email_key) WHERE status = 1 AND email_key IS NOT NULL;

-- One a person: a new code makes the one before void. A code is for somebody without a password, and is gone when it was used.
CREATE TABLE account_codes (
    tenant_id integer NOT NULL REFERENCES tenants,
    user_id bigint NOT NULL,
    code_hash text COLLATE "C" NOT NULL CHECK (code_hash ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, code_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX account_codes_expiry ON account_codes (tenant_id, expires_at);
CALL tenant_wall('account_codes');

-- One a person: the link in the newest mail. The old password stays good until a link was used.
CREATE TABLE reset_links (
    tenant_id integer NOT NULL REFERENCES tenants,
    user_id bigint NOT NULL,
    link_hash text COLLATE "C" NOT NULL CHECK (link_hash ~ '^[0-9a-f]{64}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, link_hash),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX reset_links_expiry ON reset_links (tenant_id, expires_at);
CALL tenant_wall('reset_links');

-- Who did what to whose account, kept as long as the people are.
CREATE TABLE account_events (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT now(),
    -- 1 a code sheet was made, 2 a code was made, 3 a reset: the password became void, 4 activated with a code, 5 a link was sent, 6 a link was used
    action smallint NOT NULL CHECK (action BETWEEN 1 AND 6),
    actor_id bigint,  -- who did it; NULL: the command line, or nobody in particular (5)
    user_id bigint,   -- whose account; NULL for a sheet
    class_id bigint,  -- of a sheet, and of a teacher's reset
    codes integer,    -- of a sheet: how many
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, actor_id) REFERENCES users,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    FOREIGN KEY (tenant_id, class_id) REFERENCES classes
);
CREATE INDEX account_events_class ON account_events (tenant_id, class_id, id) WHERE action = 1;
CALL tenant_wall('account_events');

-- Puts codes for people without a password and gives the ids of those who got one: somebody may have set a password meanwhile.
CREATE FUNCTION account_codes_put(tenant integer, user_ids bigint[], hashes text[], days integer) RETURNS SETOF bigint
    LANGUAGE sql
    BEGIN ATOMIC
    INSERT INTO account_codes (tenant_id, user_id, code_hash, expires_at)
    SELECT tenant, n.user_id, n.hash, now() + make_interval(days => days)
    FROM unnest(user_ids, hashes) n (user_id, hash)
    JOIN users u ON u.tenant_id = tenant AND u.id = n.user_id AND u.enabled AND u.status = 1
    WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.tenant_id = tenant AND a.user_id = n.user_id)
    ORDER BY n.user_id -- two sheets at once lock in one order
    ON CONFLICT (tenant_id, user_id) DO UPDATE SET code_hash = EXCLUDED.code_hash, created_at = now(), expires_at = EXCLUDED.expires_at
    RETURNING account_codes.user_id;
    END;
GRANT EXECUTE ON FUNCTION account_codes_put(integer, bigint[], text[], integer) TO fb_app, fb_operator;

-- A reset: the password, the links and all sessions of the person are void from here on; a new code takes their place. Gives the person's id.
CREATE FUNCTION account_reset(tenant integer, person bigint, hash text, days integer) RETURNS SETOF bigint
    LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM accounts a WHERE a.tenant_id = tenant AND a.user_id = person;
    DELETE FROM reset_links l WHERE l.tenant_id = tenant AND l.user_id = person;
    PERFORM sessions_end(tenant, person, NULL);
    PERFORM throttle_forget(tenant, k, u.login_key) FROM users u, (VALUES ('password'), ('pictures')) v (k) WHERE u.tenant_id = tenant AND u.id = person;
    RETURN QUERY SELECT account_codes_put(tenant, ARRAY[person], ARRAY[hash], days);
END $$;
GRANT EXECUTE ON FUNCTION account_reset(integer, bigint, text, integer) TO fb_app, fb_operator;

-- Uses a code (links false) or a link (true) up and stores the hash of what its person chose. outcome: 1 done; 2 there is no such code or link, or it
-- has expired, was used, or its person may not sign in any more; 3 another person signs in with the same user name already. With 2 and 3
-- nothing has changed. A link replaces a password, a code does not: whoever has one has no use for a code that is still about.
CREATE FUNCTION account_set(tenant integer, links boolean, hashes text[], new_kind smallint, new_hash text)
    RETURNS TABLE (outcome smallint, person bigint)
    LANGUAGE plpgsql AS $$
DECLARE
    broken text;
BEGIN
    IF links THEN
        DELETE FROM reset_links l WHERE l.tenant_id = tenant AND l.link_hash = ANY (hashes) AND l.expires_at > now() RETURNING l.user_id INTO person;
    ELSE
        DELETE FROM account_codes c WHERE c.tenant_id = tenant AND c.code_hash = ANY (hashes) AND c.expires_at > now() RETURNING c.user_id INTO person;
    END IF;
    IF links THEN
        DELETE FROM accounts a WHERE a.tenant_id = tenant AND a.user_id = person;
    END IF;
    INSERT INTO accounts (tenant_id, user_id, login, password_hash, kind)
    SELECT tenant, u.id, u.login_key, new_hash, new_kind FROM users u WHERE u.tenant_id = tenant AND u.id = person AND u.enabled AND u.status = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such code' USING ERRCODE = 'FB404';
    END IF;
    DELETE FROM account_codes c WHERE c.tenant_id = tenant AND c.user_id = person;
    DELETE FROM reset_links l WHERE l.tenant_id = tenant AND l.user_id = person;
    PERFORM sessions_end(tenant, person, NULL);
    PERFORM throttle_forget(tenant, k, u.login_key) FROM users u, (VALUES ('password'), ('pictures')) v (k) WHERE u.tenant_id = tenant AND u.id = person;
    INSERT INTO account_events (tenant_id, action, actor_id, user_id) VALUES (tenant, CASE WHEN links THEN 6 ELSE 4 END, person, person);
    outcome := 1;
    RETURN NEXT;
EXCEPTION
    WHEN unique_violation THEN
        GET STACKED DIAGNOSTICS broken = CONSTRAINT_NAME;
        outcome := CASE broken WHEN 'accounts_pkey' THEN 2 ELSE 3 END;
        person := NULL;
        RETURN NEXT;
    WHEN SQLSTATE 'FB404' THEN
        outcome := 2;
        person := NULL;
        RETURN NEXT;
END $$;
GRANT EXECUTE ON FUNCTION account_set(integer, boolean, text[], smallint, text) TO fb_app;
