-- The roster, in OneRoster's terms. sourced_id is the district's stable key; rows that left a roster stay with status 2.
-- status: 1 active, 2 to be deleted. Foreign keys carry the tenant, so that no row can point into another district.

CREATE TABLE academic_sessions (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    sourced_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL DEFAULT 1,
    title text NOT NULL,
    type smallint NOT NULL, -- 1 grading period, 2 semester, 3 school year, 4 term
    start_date date NOT NULL,
    end_date date NOT NULL,
    school_year smallint NOT NULL,
    parent_id bigint,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sourced_id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES academic_sessions
);

CREATE TABLE orgs (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    sourced_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL DEFAULT 1,
    name text NOT NULL,
    type smallint NOT NULL, -- 1 department, 2 school, 3 district, 4 local, 5 state, 6 national
    identifier text,
    parent_id bigint,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sourced_id),
    FOREIGN KEY (tenant_id, parent_id) REFERENCES orgs
);

CREATE TABLE courses (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    sourced_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL DEFAULT 1,
    title text NOT NULL,
    course_code text,
    grades text[] NOT NULL DEFAULT '{}',
    subjects text[] NOT NULL DEFAULT '{}',
    subject_codes text[] NOT NULL DEFAULT '{}',
    org_id bigint NOT NULL,
    school_year_id bigint,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sourced_id),
    FOREIGN KEY (tenant_id, org_id) REFERENCES orgs,
    FOREIGN KEY (tenant_id, school_year_id) REFERENCES academic_sessions
);

CREATE TABLE classes (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    sourced_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL DEFAULT 1,
    title text NOT NULL,
    class_code text,
    class_type smallint NOT NULL, -- 1 homeroom, 2 scheduled
    location text,
    grades text[] NOT NULL DEFAULT '{}',
    subjects text[] NOT NULL DEFAULT '{}',
    subject_codes text[] NOT NULL DEFAULT '{}',
    periods text[] NOT NULL DEFAULT '{}',
    course_id bigint NOT NULL,
    school_id bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sourced_id),
    FOREIGN KEY (tenant_id, course_id) REFERENCES courses,
    FOREIGN KEY (tenant_id, school_id) REFERENCES orgs
);
CREATE INDEX classes_course ON classes (tenant_id, course_id);

CREATE TABLE class_terms (
    tenant_id integer NOT NULL REFERENCES tenants,
    class_id bigint NOT NULL,
    academic_session_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, class_id, academic_session_id),
    FOREIGN KEY (tenant_id, class_id) REFERENCES classes ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, academic_session_id) REFERENCES academic_sessions
);

CREATE TABLE users (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    sourced_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL DEFAULT 1,
    enabled boolean NOT NULL DEFAULT true,
    -- 1 administrator, 2 aide, 3 guardian, 4 parent, 5 proctor, 6 relative, 7 student, 8 teacher; 20 operator (never by roster)
    role smallint NOT NULL,
    username text COLLATE "C" NOT NULL,
    user_ids text[] NOT NULL DEFAULT '{}',
    given_name text NOT NULL,
    family_name text NOT NULL,
    middle_name text,
    identifier text,
    email text,
    sms text,
    phone text,
    agent_sourced_ids text[] NOT NULL DEFAULT '{}', -- guardians, as the roster names them
    grades text[] NOT NULL DEFAULT '{}',
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sourced_id)
);
CREATE INDEX users_active ON users (tenant_id, role) WHERE status = 1; -- the district's figures are counted in it, not in the table

CREATE TABLE user_orgs (
    tenant_id integer NOT NULL REFERENCES tenants,
    user_id bigint NOT NULL,
    org_id bigint NOT NULL,
    PRIMARY KEY (tenant_id, user_id, org_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, org_id) REFERENCES orgs
);

CREATE TABLE enrollments (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    sourced_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL DEFAULT 1,
    class_id bigint NOT NULL,
    user_id bigint NOT NULL,
    role smallint NOT NULL, -- 1 administrator, 2 proctor, 3 student, 4 teacher
    is_primary boolean NOT NULL DEFAULT false,
    begin_date date,
    end_date date,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, sourced_id),
    FOREIGN KEY (tenant_id, class_id) REFERENCES classes,
    FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE INDEX enrollments_user ON enrollments (tenant_id, user_id);
CREATE INDEX enrollments_class ON enrollments (tenant_id, class_id);
CREATE INDEX enrollments_active ON enrollments (tenant_id) WHERE status = 1; -- as users_active

-- One row an import that was carried out or refused; the report names files and lines, never a person's values.
CREATE TABLE roster_imports (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    file text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    outcome smallint NOT NULL, -- 1 done, 2 refused
    inserted integer NOT NULL DEFAULT 0,
    updated integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    deleted integer NOT NULL DEFAULT 0,
    errors integer NOT NULL DEFAULT 0,
    report jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id)
);

CALL tenant_wall('academic_sessions');
CALL tenant_wall('orgs');
CALL tenant_wall('courses');
CALL tenant_wall('classes');
CALL tenant_wall('class_terms');
CALL tenant_wall('users');
CALL tenant_wall('user_orgs');
CALL tenant_wall('enrollments');
CALL tenant_wall('roster_imports');

-- Figures for the planner after an import: tables that were empty a moment ago would be planned for as if they still were. Gives nothing away.
CREATE FUNCTION roster_analyze() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    ANALYZE orgs, academic_sessions, courses, classes, class_terms, users, user_orgs, enrollments;
END $$;
REVOKE ALL ON FUNCTION roster_analyze() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION roster_analyze() TO fb_operator;
