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
