-- What stands between a stranger and an account: tries are counted, places that are known are told from those that are not, and sessions are
-- opened and ended in one place.

ALTER TABLE sessions
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY, -- the name of a session towards people; sid is for the token
    ADD COLUMN device text NOT NULL DEFAULT '' CHECK (length(device) <= 100); -- "Chrome on ChromeOS"
CREATE UNIQUE INDEX sessions_id ON sessions (tenant_id, id);

-- Where an account has signed in from: 'd' and the digest of a device's cookie, or 'a' and that of an address (IPv4, or the /64 of an IPv6).
CREATE TABLE account_sources (
    tenant_id integer NOT NULL REFERENCES tenants,
    user_id bigint NOT NULL,
    source text COLLATE "C" NOT NULL CHECK (source ~ '^[ad][0-9a-f]{32}$'),
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, source),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX account_sources_source ON account_sources (tenant_id, source);
CREATE INDEX account_sources_age ON account_sources (tenant_id, seen_at);
CALL tenant_wall('account_sources');

-- Wrong tries. A bucket is named KIND:SUBJECT:SOURCE (one account from one place), KIND:SUBJECT (one account from all places that it does not
-- know) or KIND:SOURCE (accounts tried from one address that they do not know).
CREATE TABLE throttle_buckets (
    tenant_id integer NOT NULL REFERENCES tenants,
    bucket text COLLATE "C" NOT NULL CHECK (length(bucket) <= 120),
    failures integer NOT NULL,
    last_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, bucket)
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX throttle_buckets_age ON throttle_buckets (tenant_id, expires_at);
CALL tenant_wall('throttle_buckets');

-- Seconds that must lie between the last of n wrong tries and the next try: none for the first `free`, then doubling from `base` to `most`.
CREATE FUNCTION throttle_delay_s(n integer, free integer, base integer, most integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN n < free THEN 0 ELSE least(most::numeric, base * power(2::numeric, least(n - free, 30)))::integer END;

-- A subject is whatever is tried: a login, or the place where codes are. Case makes no difference.
CREATE FUNCTION throttle_digest(subject text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN left(encode(sha256(convert_to(lower(subject COLLATE "C"), 'UTF8')), 'hex'), 32);

-- Seconds still to wait, 0 for none. A clock that was put back does not lengthen it.
CREATE FUNCTION throttle_wait_s(last_at timestamptz, moment timestamptz, delay_s integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN greatest(0, least(delay_s, ceil(extract(epoch FROM last_at - moment) + delay_s)))::integer;

-- Asks for a try and charges it as a wrong one, so that many at once are not more than many in a row; throttle_succeeded() takes the charge
-- back. by_login: the subject is the login of an account (or of none, which makes no difference). wait_s > 0: refused, nothing was charged.
-- count_account, count_address: what throttle_failed() has to be told.
CREATE FUNCTION throttle_take(tenant integer, kind text, subject text, by_login boolean, device text, address text,
                              free integer, base integer, most integer, keep_s integer,
                              OUT wait_s integer, OUT pair text, OUT count_account boolean, OUT count_address boolean)
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    account_id bigint;
    known boolean := false;
    digest text := throttle_digest(subject);
    source text := address;
    moment timestamptz := clock_timestamp();
    tries integer;
    accounts_here bigint;
BEGIN
    -- A count that a crash loses is cheaper than a wait for the disk in the minute when everybody signs in.
    PERFORM set_config('synchronous_commit', 'off', true);
    IF by_login THEN
        SELECT a.user_id INTO account_id FROM accounts a WHERE a.tenant_id = tenant AND a.login = lower(subject COLLATE "C");
    END IF;
    IF device IS NOT NULL AND EXISTS (SELECT FROM account_sources s WHERE s.tenant_id = tenant AND s.source = device) THEN
        source := device; -- somebody has signed in on it: what others do from the same address is not its doing
    END IF;
    known := account_id IS NOT NULL AND EXISTS (SELECT FROM account_sources s WHERE s.tenant_id = tenant AND s.user_id = account_id
                                                AND s.source IN (device, address));
    IF NOT known THEN
        SELECT throttle_wait_s(b.last_at, moment, throttle_delay_s(b.failures, 10 * free, base, 60)) INTO wait_s
        FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = kind || ':' || digest AND b.expires_at > moment;
        IF coalesce(wait_s, 0) <= 0 THEN
            SELECT throttle_wait_s(b.last_at, moment, throttle_delay_s(b.failures, 200, base, 30)), b.failures INTO wait_s, tries
            FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = kind || ':' || address AND b.expires_at > moment;
            IF wait_s > 0 THEN -- a school behind one address: the more people sign in from there, the more of them mistype
                SELECT count(*) INTO accounts_here FROM account_sources s WHERE s.tenant_id = tenant AND s.source = address;
                IF tries < 200 + 2 * accounts_here THEN
                    wait_s := 0;
                END IF;
            END IF;
        END IF;
        IF wait_s > 0 THEN
            RETURN;
        END IF;
    END IF;
    pair := kind || ':' || digest || ':' || source;
    INSERT INTO throttle_buckets AS b (tenant_id, bucket, failures, last_at, expires_at)
    VALUES (tenant, pair, 1, moment, moment + make_interval(secs => keep_s))
    ON CONFLICT (tenant_id, bucket) DO UPDATE
    SET failures = CASE WHEN b.expires_at <= moment THEN 1 ELSE b.failures + 1 END, last_at = moment, expires_at = EXCLUDED.expires_at
    WHERE b.expires_at <= moment OR throttle_wait_s(b.last_at, moment, throttle_delay_s(b.failures, free, base, most)) = 0
    RETURNING b.failures INTO tries;
    IF NOT FOUND THEN
        UPDATE throttle_buckets b SET last_at = least(b.last_at, moment) WHERE b.tenant_id = tenant AND b.bucket = pair AND b.last_at > moment;
        SELECT greatest(1, throttle_wait_s(b.last_at, moment, throttle_delay_s(b.failures, free, base, most))) INTO wait_s
        FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = pair;
        wait_s := coalesce(wait_s, 1);
        RETURN;
    END IF;
    wait_s := 0;
    count_account := NOT known;
    count_address := NOT known AND tries = 1 AND source = address;
END $$;

-- A try was wrong: the wide counts, which begin anew an hour after their first.
CREATE FUNCTION throttle_failed(tenant integer, kind text, subject text, address text, count_account boolean, count_address boolean) RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    moment timestamptz := clock_timestamp();
    digest text := throttle_digest(subject);
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO throttle_buckets AS b (tenant_id, bucket, failures, last_at, expires_at)
    SELECT tenant, v.bucket, 1, moment, moment + interval '1 hour'
    FROM (VALUES (count_account, kind || ':' || digest), (count_address, kind || ':' || address)) v (counts, bucket)
    WHERE v.counts ORDER BY v.bucket
    ON CONFLICT (tenant_id, bucket) DO UPDATE
    SET failures = CASE WHEN b.expires_at <= moment THEN 1 ELSE b.failures + 1 END, last_at = moment,
        expires_at = CASE WHEN b.expires_at <= moment THEN EXCLUDED.expires_at ELSE b.expires_at END;
END $$;

-- A try was right: the pair's wrong tries are forgotten, also by the address they were counted against.
CREATE FUNCTION throttle_succeeded(tenant integer, kind text, pair text, address text) RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tries integer;
BEGIN
    DELETE FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = pair RETURNING b.failures INTO tries;
    IF tries > 1 AND right(pair, 33) = address THEN
        UPDATE throttle_buckets b SET failures = b.failures - 1 WHERE b.tenant_id = tenant AND b.bucket = kind || ':' || address AND b.failures > 0;
    END IF;
END $$;

-- A try that was charged was not made: no room to check it.
CREATE FUNCTION throttle_release(tenant integer, pair text) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE throttle_buckets b SET failures = b.failures - 1 WHERE b.tenant_id = tenant AND b.bucket = pair AND b.failures > 0;
END $$;

-- Who gets a new password or a new code begins anew, from wherever.
CREATE FUNCTION throttle_forget(tenant integer, kind text, subject text) RETURNS void
    LANGUAGE sql AS $$
    DELETE FROM throttle_buckets b WHERE b.tenant_id = tenant
      AND b.bucket ^@ (kind || ':' || throttle_digest(subject))
$$;

-- Opens a session, in the transaction of whatever proved who it is. With a password_hash only while the account still has it: whoever changes a
-- password ends all sessions, and one whose check was under way must not open afterwards; the lock waits for a change that is being made. Ends
-- the session that the request came with (old_sid) and the oldest beyond `most`. Gives whether it was opened.
CREATE FUNCTION session_open(tenant integer, new_sid text, account_user_id bigint, account_role smallint, ttl_s integer, hash text, old_sid text,
                             device_name text, most integer, device text, address text) RETURNS boolean
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    PERFORM FROM users u WHERE u.tenant_id = tenant AND u.id = account_user_id AND u.role = account_role AND u.enabled AND u.status = 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF hash IS NOT NULL THEN
        PERFORM FROM accounts a WHERE a.tenant_id = tenant AND a.user_id = account_user_id AND a.password_hash = hash FOR SHARE;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    DELETE FROM sessions s WHERE s.tenant_id = tenant AND s.sid = old_sid;
    INSERT INTO sessions (tenant_id, sid, user_id, expires_at, device)
    VALUES (tenant, new_sid, account_user_id, now() + make_interval(secs => ttl_s), device_name);
    DELETE FROM sessions s WHERE s.tenant_id = tenant AND s.user_id = account_user_id AND s.id IN (
        SELECT o.id FROM sessions o WHERE o.tenant_id = tenant AND o.user_id = account_user_id AND o.sid <> new_sid
        ORDER BY o.id DESC OFFSET most - 1);
    INSERT INTO account_sources AS k (tenant_id, user_id, source)
    SELECT tenant, account_user_id, v.source FROM (VALUES (address), (device)) v (source) WHERE v.source IS NOT NULL ORDER BY 3
    ON CONFLICT (tenant_id, user_id, source) DO UPDATE SET seen_at = now() WHERE k.seen_at < now() - interval '1 day';
    DELETE FROM account_sources k WHERE k.tenant_id = tenant AND k.user_id = account_user_id AND k.source IN (
        SELECT o.source FROM account_sources o WHERE o.tenant_id = tenant AND o.user_id = account_user_id
        ORDER BY o.seen_at DESC, o.source OFFSET 20);
    RETURN true;
END $$;

-- Ends every session of a person but one (keep_sid, or NULL for all), in the transaction of what makes it necessary: a new password, a reset, a
-- person who is disabled. Gives how many.
CREATE FUNCTION sessions_end(tenant integer, of_user_id bigint, keep_sid text) RETURNS integer
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    n integer;
BEGIN
    DELETE FROM sessions s WHERE s.tenant_id = tenant AND s.user_id = of_user_id AND s.sid IS DISTINCT FROM keep_sid;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

GRANT EXECUTE ON FUNCTION throttle_digest(text), throttle_delay_s(integer, integer, integer, integer),
    throttle_wait_s(timestamptz, timestamptz, integer),
    throttle_take(integer, text, text, boolean, text, text, integer, integer, integer, integer),
    throttle_failed(integer, text, text, text, boolean, boolean),
    throttle_succeeded(integer, text, text, text), throttle_release(integer, text), throttle_forget(integer, text, text),
    session_open(integer, text, bigint, smallint, integer, text, text, text, integer, text, text),
    sessions_end(integer, bigint, text) TO fb_app, fb_operator;
