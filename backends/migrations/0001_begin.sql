-- What px0 keeps. Texts that are compared or ordered are in byte order, whatever the locale of the database. What px0 only hands
-- back (templates, JSON) is text, to the letter. Rules that two writers at once could break are constraints here, and their
-- names are what the driver's errors are told apart by.

CREATE TABLE about (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    code_key bytea NOT NULL CHECK (octet_length(code_key) = 32)
);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text COLLATE "C" NOT NULL CONSTRAINT users_email UNIQUE,
    password_hash text NOT NULL,
    is_verified boolean NOT NULL,
    is_admin boolean NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE sessions (
    hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
    user_id uuid NOT NULL CONSTRAINT sessions_user REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_of_user ON sessions (user_id);

CREATE TABLE mailed_codes (
    user_id uuid NOT NULL CONSTRAINT mailed_codes_user REFERENCES users ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('verification', 'reset')),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32),
    expires_at timestamptz NOT NULL,
    tries_left smallint NOT NULL CHECK (tries_left >= 0),
    PRIMARY KEY (user_id, kind)
);
CREATE INDEX mailed_codes_reset ON mailed_codes (hash) WHERE kind = 'reset';

CREATE TABLE orgs (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL
);

CREATE TABLE teams (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL CONSTRAINT teams_org REFERENCES orgs ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    is_default boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT teams_name UNIQUE (org_id, name)
);
CREATE UNIQUE INDEX teams_one_default ON teams (org_id) WHERE is_default;

CREATE TABLE members (
    team_id uuid NOT NULL CONSTRAINT members_team REFERENCES teams ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT members_user REFERENCES users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    created_at timestamptz NOT NULL,
    CONSTRAINT members_once PRIMARY KEY (team_id, user_id)
);
CREATE INDEX members_of_user ON members (user_id);

CREATE TABLE join_requests (
    id uuid PRIMARY KEY,
    team_id uuid NOT NULL CONSTRAINT join_requests_team REFERENCES teams ON DELETE CASCADE,
    user_id uuid NOT NULL CONSTRAINT join_requests_user REFERENCES users ON DELETE CASCADE,
    status text NOT NULL CHECK (status IN ('pending', 'approved', 'rejected')),
    justification text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX join_requests_one_pending ON join_requests (team_id, user_id) WHERE status = 'pending';
CREATE INDEX join_requests_of_team ON join_requests (team_id);
CREATE INDEX join_requests_of_user ON join_requests (user_id);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    org_id uuid NOT NULL CONSTRAINT api_keys_org REFERENCES orgs ON DELETE CASCADE,
    name text NOT NULL,
    whole_org boolean NOT NULL,
    operation text NOT NULL CHECK (operation IN ('read_render', 'all', 'admin')),
    hash bytea NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    prefix text NOT NULL,
    -- Who made it; the key outlives their account.
    created_by uuid NOT NULL,
    created_at timestamptz NOT NULL,
    last_used_at timestamptz
);
CREATE INDEX api_keys_newest ON api_keys (org_id, created_at DESC, id DESC);

CREATE TABLE api_key_teams (
    key_id uuid NOT NULL REFERENCES api_keys ON DELETE CASCADE,
    team_id uuid NOT NULL CONSTRAINT api_key_teams_team REFERENCES teams ON DELETE CASCADE,
    PRIMARY KEY (key_id, team_id)
);
CREATE INDEX api_key_teams_of_team ON api_key_teams (team_id);

CREATE TABLE prompts (
    id uuid PRIMARY KEY,
    team_id uuid NOT NULL CONSTRAINT prompts_team REFERENCES teams ON DELETE CASCADE,
    slug text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    description text NOT NULL,
    -- Lower-cased by px0, so that a search finds the same on every backend and in every locale.
    name_folded text COLLATE "C" NOT NULL,
    description_folded text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status IN ('active', 'archived')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- The last number that was given to a version: numbers are not given twice.
    last_number bigint NOT NULL DEFAULT 0,
    CONSTRAINT prompts_slug UNIQUE (team_id, slug),
    CONSTRAINT prompts_name UNIQUE (team_id, name)
);
CREATE INDEX prompts_newest ON prompts (team_id, created_at DESC, id DESC);
CREATE INDEX prompts_by_slug ON prompts (slug);

CREATE TABLE versions (
    id uuid PRIMARY KEY,
    prompt_id uuid NOT NULL CONSTRAINT versions_prompt REFERENCES prompts ON DELETE CASCADE,
    number bigint NOT NULL CHECK (number > 0),
    status text NOT NULL CHECK (status IN ('draft', 'stable', 'live', 'archived')),
    template text NOT NULL,
    engine text NOT NULL,
    model text,
    model_params text,
    variables_schema text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    published_at timestamptz,
    CONSTRAINT versions_number UNIQUE (prompt_id, number)
);
CREATE UNIQUE INDEX versions_one_live ON versions (prompt_id) WHERE status = 'live';

CREATE TABLE tags (
    prompt_id uuid NOT NULL,
    tag text COLLATE "C" NOT NULL,
    number bigint NOT NULL,
    PRIMARY KEY (prompt_id, tag),
    CONSTRAINT tags_version FOREIGN KEY (prompt_id, number) REFERENCES versions (prompt_id, number) ON DELETE CASCADE
);
CREATE INDEX tags_of_version ON tags (prompt_id, number);

CREATE TABLE payloads (
    id uuid PRIMARY KEY,
    prompt_id uuid NOT NULL CONSTRAINT payloads_prompt REFERENCES prompts ON DELETE CASCADE,
    name text,
    variables text NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);
CREATE INDEX payloads_newest ON payloads (prompt_id, created_at DESC, id DESC);
