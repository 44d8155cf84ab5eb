-- What is taught: path → course → module → lesson → item. A key is the author's stable name for a thing within its course; it keeps ids (and with
-- them the progress of students) across new editions.

CREATE TABLE paths (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    key text COLLATE "C" NOT NULL,
    title text NOT NULL,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, key)
);

CREATE TABLE path_courses (
    tenant_id integer NOT NULL REFERENCES tenants,
    path_id bigint NOT NULL,
    course_id bigint NOT NULL,
    position integer NOT NULL,
    PRIMARY KEY (tenant_id, path_id, course_id),
    FOREIGN KEY (tenant_id, path_id) REFERENCES paths ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, course_id) REFERENCES courses
);

CREATE TABLE modules (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    course_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    title text NOT NULL,
    retired boolean NOT NULL DEFAULT false, -- gone from the newest edition; kept for the progress that hangs on it
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, course_id, key),
    FOREIGN KEY (tenant_id, course_id) REFERENCES courses
);

CREATE TABLE lessons (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    course_id bigint NOT NULL,
    module_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    title text NOT NULL,
    retired boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, course_id, key),
    FOREIGN KEY (tenant_id, course_id) REFERENCES courses,
    FOREIGN KEY (tenant_id, module_id) REFERENCES modules
);
CREATE INDEX lessons_module ON lessons (tenant_id, module_id);

-- Files of a course below media_root/<tenant_id>/<key>/.
CREATE TABLE assets (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    course_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (key ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, key),
    FOREIGN KEY (tenant_id, course_id) REFERENCES courses
);

CREATE TABLE items (
    tenant_id integer NOT NULL REFERENCES tenants,
    id bigint GENERATED ALWAYS AS IDENTITY,
    course_id bigint NOT NULL,
    lesson_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    position integer NOT NULL,
    kind smallint NOT NULL CHECK (kind BETWEEN 1 AND 4), -- 1 video, 2 reading, 3 quiz, 4 assignment
    title text NOT NULL,
    content jsonb NOT NULL, -- "media:KEY/file" stands for a file of an asset
    retired boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, course_id, key),
    FOREIGN KEY (tenant_id, course_id) REFERENCES courses,
    FOREIGN KEY (tenant_id, lesson_id) REFERENCES lessons
);
CREATE INDEX items_lesson ON items (tenant_id, lesson_id);

-- item opens when required_item_id is completed, with at least minimum_score_hundredths where that is set.
CREATE TABLE prerequisites (
    tenant_id integer NOT NULL REFERENCES tenants,
    item_id bigint NOT NULL,
    required_item_id bigint NOT NULL,
    minimum_score_hundredths integer CHECK (minimum_score_hundredths BETWEEN 0 AND 10000),
    PRIMARY KEY (tenant_id, item_id, required_item_id),
    CHECK (item_id <> required_item_id),
    FOREIGN KEY (tenant_id, item_id) REFERENCES items,
    FOREIGN KEY (tenant_id, required_item_id) REFERENCES items
);

CALL tenant_wall('paths');
CALL tenant_wall('path_courses');
CALL tenant_wall('modules');
CALL tenant_wall('lessons');
CALL tenant_wall('assets');
CALL tenant_wall('items');
CALL tenant_wall('prerequisites');
