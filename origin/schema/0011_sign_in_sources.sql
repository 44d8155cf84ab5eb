-- Who had signed in once with an account of their own was counted by that device, and no wide bound held for a device: one-time codes and other
-- people's accounts could be tried without end from it. And at an address that an account is known at, each device that was made new by signing in
-- with another account had tries of its own. Devices have the bound that addresses have, and an account has one for each of its places.

DROP FUNCTION throttle_take(integer, text, text, boolean, text, text, integer, integer, integer, integer);
DROP FUNCTION throttle_failed(integer, text, text, text, boolean, boolean);
DROP FUNCTION throttle_succeeded(integer, text, text, text);

-- A bucket is named KIND:SUBJECT:SOURCE (one account from one place), KIND:SUBJECT (one account from all places that it does not know),
-- KIND:SUBJECT+SOURCE (one account from an address that it knows, on devices that it does not), or KIND:SOURCE (accounts tried from one device or
-- address that they do not know).

-- Asks for a try and charges it as a wrong one, so that many at once are not more than many in a row; throttle_succeeded() takes the charge
-- back. by_login: the subject is the login of an account (or of none, which makes no difference). wait_s > 0: refused, nothing was charged.
-- account_bucket, source_bucket: where a wrong one counts besides (NULL: nowhere), the second only when it is the first of this pair.
CREATE FUNCTION throttle_take(tenant integer, kind text, subject text, by_login boolean, device text, address text,
                              free integer, base integer, most integer, keep_s integer,
                              OUT wait_s integer, OUT pair text, OUT is_first boolean, OUT account_bucket text, OUT source_bucket text)
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    account_id bigint;
    own_device boolean := false;
    own_place boolean := false;
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
    IF account_id IS NOT NULL THEN
        own_device := EXISTS (SELECT FROM account_sources s WHERE s.tenant_id = tenant AND s.user_id = account_id AND s.source = device);
        own_place := EXISTS (SELECT FROM account_sources s WHERE s.tenant_id = tenant AND s.user_id = account_id AND s.source = address);
    END IF;
    IF NOT own_device THEN
        account_bucket := kind || ':' || digest || CASE WHEN own_place THEN '+' || address ELSE '' END;
        IF source = device OR NOT own_place THEN
            source_bucket := kind || ':' || source;
        END IF;
    END IF;
    SELECT throttle_wait_s(b.last_at, moment, throttle_delay_s(b.failures, 10 * free, base, 60)) INTO wait_s
    FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = account_bucket AND b.expires_at > moment;
    IF coalesce(wait_s, 0) <= 0 THEN
        SELECT throttle_wait_s(b.last_at, moment, throttle_delay_s(b.failures, 200, base, 30)), b.failures INTO wait_s, tries
        FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = source_bucket AND b.expires_at > moment;
        IF wait_s > 0 THEN -- a school behind one address: the more people sign in from there, the more of them mistype
            SELECT count(*) INTO accounts_here FROM account_sources s WHERE s.tenant_id = tenant AND s.source = source;
            IF tries < 200 + 2 * accounts_here THEN
                wait_s := 0;
            END IF;
        END IF;
    END IF;
    IF wait_s > 0 THEN
        RETURN;
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
    is_first := tries = 1;
END $$;

-- A try was wrong: the wide counts, which begin anew an hour after their first. NULL: not counted there.
CREATE FUNCTION throttle_failed(tenant integer, account_bucket text, source_bucket text) RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    INSERT INTO throttle_buckets AS b (tenant_id, bucket, failures, last_at, expires_at)
    SELECT tenant, v.bucket, 1, moment, moment + interval '1 hour'
    FROM (VALUES (account_bucket), (source_bucket)) v (bucket)
    WHERE v.bucket IS NOT NULL ORDER BY v.bucket
    ON CONFLICT (tenant_id, bucket) DO UPDATE
    SET failures = CASE WHEN b.expires_at <= moment THEN 1 ELSE b.failures + 1 END, last_at = moment,
        expires_at = CASE WHEN b.expires_at <= moment THEN EXCLUDED.expires_at ELSE b.expires_at END;
END $$;

-- A try was right: the pair's wrong tries are forgotten, also by the source they were counted against. One that counts nothing takes nothing back:
-- nobody buys tries at others with right ones of their own.
CREATE FUNCTION throttle_succeeded(tenant integer, pair text, source_bucket text) RETURNS void
    LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tries integer;
BEGIN
    DELETE FROM throttle_buckets b WHERE b.tenant_id = tenant AND b.bucket = pair RETURNING b.failures INTO tries;
    IF tries > 1 AND source_bucket IS NOT NULL THEN
        UPDATE throttle_buckets b SET failures = b.failures - 1 WHERE b.tenant_id = tenant AND b.bucket = source_bucket AND b.failures > 0;
    END IF;
END $$;

GRANT EXECUTE ON FUNCTION throttle_take(integer, text, text, boolean, text, text, integer, integer, integer, integer),
    throttle_failed(integer, text, text), throttle_succeeded(integer, text, text) TO fb_app, fb_operator;
