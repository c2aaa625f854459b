-- How people get in. Nothing of it is needed by a px0 that does not know it: new columns have defaults.

-- Whether a code that was mailed to one of the user's addresses was ever given back.
ALTER TABLE users ADD COLUMN was_proved boolean NOT NULL DEFAULT false;

-- The row of a code is the one that was mailed last. `wrong_tries`: how many wrong ones, by the sealed address that they came from.
-- `former`: the codes before it, which are good until their own end.
ALTER TABLE mailed_codes
    ADD COLUMN wrong_tries jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN former jsonb NOT NULL DEFAULT '[]';
CREATE INDEX mailed_codes_former ON mailed_codes USING gin (former jsonb_path_ops) WHERE kind = 'reset';

-- From where users logged in last: addresses are sealed, never in clear text. That there are not too many of one user is a rule that
-- spans rows: px0 keeps it under a lock of the user.
CREATE TABLE known_addresses (
    user_id uuid NOT NULL CONSTRAINT known_addresses_user REFERENCES users ON DELETE CASCADE,
    address bytea NOT NULL CHECK (octet_length(address) = 32),
    last_login timestamptz NOT NULL,
    PRIMARY KEY (user_id, address)
);
