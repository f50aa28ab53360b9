-- +goose Up
CREATE SCHEMA IF NOT EXISTS parser;

CREATE TABLE parser.accounts (
    id           bigint      PRIMARY KEY CHECK (id > 0),
    username     text        NOT NULL,
    masked_phone text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('active', 'unreachable', 'frozen', 'revoked', 'banned')),
    session      bytea       NOT NULL, -- sealed
    lease_owner  text        NOT NULL DEFAULT '',
    lease_token  bigint      NOT NULL,
    lease_until  timestamptz,          -- null: nobody holds it
    created_at   timestamptz NOT NULL,
    last_ok_at   timestamptz
);

-- How long Telegram told us to wait.
CREATE TABLE parser.floods (
    account_id    bigint      NOT NULL REFERENCES parser.accounts ON DELETE CASCADE,
    method        text        NOT NULL,
    told_at       timestamptz NOT NULL,
    blocked_until timestamptz NOT NULL,
    PRIMARY KEY (account_id, method)
);

-- How often we asked, for the methods that we ration ourselves.
CREATE TABLE parser.budgets (
    account_id   bigint      NOT NULL REFERENCES parser.accounts ON DELETE CASCADE,
    method       text        NOT NULL,
    window_start_at timestamptz NOT NULL,
    spent        integer     NOT NULL,
    PRIMARY KEY (account_id, method)
);

-- An access hash is good for the account that got it and no other.
CREATE TABLE parser.peers (
    channel_id  bigint      NOT NULL CHECK (channel_id > 0),
    account_id  bigint      NOT NULL REFERENCES parser.accounts ON DELETE CASCADE,
    access_hash bigint      NOT NULL,
    username    text        NOT NULL,
    title       text        NOT NULL,
    kind        text        NOT NULL CHECK (kind IN ('channel', 'supergroup')),
    protected   boolean     NOT NULL,
    resolved_at timestamptz NOT NULL,
    PRIMARY KEY (channel_id, account_id)
);

CREATE INDEX peers_by_account ON parser.peers (account_id);

-- A username is asked about once, ever.
CREATE TABLE parser.usernames (
    username    text        PRIMARY KEY, -- lower case
    channel_id  bigint      NOT NULL CHECK (channel_id > 0),
    resolved_at timestamptz NOT NULL
);
