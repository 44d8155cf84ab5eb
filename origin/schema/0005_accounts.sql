-- Who may sign in with a password here, and the sessions that are open. A roster import creates no account.

CREATE TABLE accounts (
    tenant_id integer NOT NULL REFERENCES tenants,
    user_id bigint NOT NULL,
    login text COLLATE "C" NOT NULL CHECK (login = lower(login)),
    password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id),
    UNIQUE (tenant_id, login),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);

-- The token names a session by sid; a session that is not here is signed out.
CREATE TABLE sessions (
    tenant_id integer NOT NULL REFERENCES tenants,
    sid text COLLATE "C" NOT NULL CHECK (length(sid) = 32),
    user_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, sid),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX sessions_user ON sessions (tenant_id, user_id);
CREATE INDEX sessions_expiry ON sessions (tenant_id, expires_at);

CALL tenant_wall('accounts');
CALL tenant_wall('sessions');

-- The beginning of every statement group of a signed-in request: sets the tenant and checks the session. It raises FB401 when the session was
-- signed out, has expired, or its user was disabled, has left the roster or has changed role; the group then does nothing at all.
CREATE FUNCTION session_enter(tenant integer, session_sid text, session_user_id bigint, session_role smallint) RETURNS void
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.tenant', tenant::text, true);
    PERFORM FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    WHERE s.tenant_id = tenant AND s.sid = session_sid AND s.user_id = session_user_id AND s.expires_at > now()
      AND u.role = session_role AND u.enabled AND u.status = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such session' USING ERRCODE = 'FB401';
    END IF;
END $$;
GRANT EXECUTE ON FUNCTION session_enter(integer, text, bigint, smallint) TO fb_app;
