-- What a course consists of (modules, lessons, items, prerequisites) is the same for all its students and changes only when it is imported anew.
-- The version tells those who keep it whether it is still the one.

ALTER TABLE courses ADD COLUMN content_version bigint NOT NULL DEFAULT 0;
