-- What changes takes back by itself what edges keep of it: the row is written by the transaction that makes the change, so that neither comes without the
-- other. The tags are those of origin/courses/media.c.

-- Nobody has asked for it: something has changed. The bound of how often a district may ask does not count these.
ALTER TABLE purges ADD COLUMN by_change boolean NOT NULL DEFAULT false;

-- Gone at once: files of before and after must not be mixed, a playlist of before names what is no more.
CREATE FUNCTION purge_changed(tenant integer, tag text) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO purges (tenant_id, kind, hard, value, by_change) VALUES (tenant, 3, true, tag, true);
    PERFORM pg_notify('firstbell_purges', '');
END $$;
GRANT EXECUTE ON FUNCTION purge_changed(integer, text) TO fb_app, fb_operator;

-- An import gives the course another version, also when only its files are others.
CREATE FUNCTION course_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM purge_changed(OLD.tenant_id, 'course-' || OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER courses_purge AFTER UPDATE OF content_version ON courses
    FOR EACH ROW WHEN (OLD.content_version IS DISTINCT FROM NEW.content_version) EXECUTE FUNCTION course_changed();

CREATE FUNCTION asset_changed() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM purge_changed(OLD.tenant_id, 'asset-' || OLD.id);
    RETURN NULL;
END $$;
CREATE TRIGGER assets_purge AFTER UPDATE OR DELETE ON assets FOR EACH ROW EXECUTE FUNCTION asset_changed();

-- As before, but for what somebody has asked for.
CREATE OR REPLACE FUNCTION purge_ask(tenant integer, actor bigint, purge_kind smallint, is_hard boolean, host_name text, purge_host text, purge_value text,
                                     most integer, OUT outcome smallint, OUT purge_id bigint, OUT wait_s integer)
    LANGUAGE plpgsql AS $$
DECLARE
    full_until timestamptz;
BEGIN
    IF host_name IS NOT NULL AND NOT EXISTS (
        SELECT FROM tenant_hosts h WHERE h.tenant_id = tenant
        AND (h.host = host_name OR (starts_with(h.host, '*.') AND right(host_name, length(h.host) - 1) = substr(h.host, 2)
                                    AND length(host_name) >= length(h.host)))) THEN
        outcome := 2;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(518740223, tenant);
    SELECT p.asked_at + interval '1 minute' INTO full_until FROM purges p
    WHERE p.tenant_id = tenant AND p.asked_at > clock_timestamp() - interval '1 minute' AND NOT p.by_change
    ORDER BY p.asked_at DESC OFFSET most - 1 LIMIT 1;
    IF FOUND THEN
        outcome := 3;
        wait_s := greatest(1, least(60, ceil(extract(epoch FROM full_until - clock_timestamp()))));
        RETURN;
    END IF;
    INSERT INTO purges (tenant_id, actor_id, kind, hard, host, value)
    VALUES (tenant, actor, purge_kind, is_hard, purge_host, purge_value) RETURNING id INTO purge_id;
    PERFORM pg_notify('firstbell_purges', '');
    outcome := 1;
END $$;
