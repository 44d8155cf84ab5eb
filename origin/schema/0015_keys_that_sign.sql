-- Since when a key is in the directory: it signs when every edge has it (origin/content/media_links.h). Of keys that are there already nobody knows it.

ALTER TABLE tenant_keys ADD COLUMN added_at timestamptz NOT NULL DEFAULT now();
