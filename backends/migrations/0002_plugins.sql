-- What organizations decided about plugins, and what hooks keep for them. Which plugins are installed is not known here. That no
-- plugin keeps too many values for an organization is a rule that spans rows: px0 keeps it under a lock of the organization.

CREATE TABLE org_plugins (
    org_id uuid NOT NULL CONSTRAINT org_plugins_org REFERENCES orgs ON DELETE CASCADE,
    plugin text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('engine', 'filters', 'hook')),
    enabled boolean NOT NULL,
    on_failure text NOT NULL CHECK (on_failure IN ('refuse', 'pass')),
    settings text,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (org_id, plugin)
);

CREATE TABLE plugin_values (
    org_id uuid NOT NULL CONSTRAINT plugin_values_org REFERENCES orgs ON DELETE CASCADE,
    plugin text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (org_id, plugin, key)
);
