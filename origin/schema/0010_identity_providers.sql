-- Signing in at another provider (OpenID Connect). A provider belongs to one district; its client secret is in no table but in a file. A person is
-- linked with a subject of the provider once; no account is made by a sign-in.

CREATE TABLE identity_providers (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    title text NOT NULL CHECK (title <> '' AND octet_length(title) <= 80), -- "Sign in with …"
    issuer text COLLATE "C" NOT NULL CHECK (issuer ^@ 'https://' AND length(issuer) <= 2048),
    client_id text COLLATE "C" NOT NULL CHECK (client_id <> '' AND length(client_id) <= 255),
    token_auth smallint NOT NULL CHECK (token_auth BETWEEN 1 AND 3), -- 1 client_secret_basic, 2 client_secret_post, 3 none
    scopes text COLLATE "C" NOT NULL,
    link_by smallint NOT NULL CHECK (link_by BETWEEN 1 AND 3), -- 1 users.email, and only when verified, 2 username, 3 sourced_id
    link_claim text COLLATE "C" NOT NULL,
    require_claim text COLLATE "C", -- an ID token without this claim, or with another value, is of somebody outside of the district
    require_value text,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, issuer, client_id),
    CHECK ((require_claim IS NULL) = (require_value IS NULL))
);
CALL tenant_wall('identity_providers');

CREATE TABLE user_identities (
    tenant_id integer NOT NULL REFERENCES tenants,
    provider_id bigint NOT NULL,
    subject text COLLATE "C" NOT NULL CHECK (subject <> '' AND octet_length(subject) <= 255),
    user_id bigint NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, provider_id, subject),
    UNIQUE (tenant_id, provider_id, user_id), -- an e-mail address that was given to somebody else does not open the account of the one before
    FOREIGN KEY (tenant_id, provider_id) REFERENCES identity_providers ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX user_identities_user ON user_identities (tenant_id, user_id);
CALL tenant_wall('user_identities');

-- Attempts that have been answered, until their cookies end.
CREATE TABLE oidc_used_states (
    tenant_id integer NOT NULL REFERENCES tenants,
    state text COLLATE "C" NOT NULL CHECK (length(state) = 43),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, state)
);
CREATE INDEX oidc_used_states_expiry ON oidc_used_states (tenant_id, expires_at);
CALL tenant_wall('oidc_used_states');
