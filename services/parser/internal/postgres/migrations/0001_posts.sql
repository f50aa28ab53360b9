-- +goose Up
CREATE SCHEMA IF NOT EXISTS parser;

-- One row per post, as last read. A deleted post keeps its content.
CREATE TABLE parser.posts (
    channel_id       bigint      NOT NULL CHECK (channel_id > 0),
    message_id       bigint      NOT NULL CHECK (message_id > 0),
    revision         integer     NOT NULL CHECK (revision > 0),
    posted_at        timestamptz NOT NULL,
    edited_at        timestamptz,
    deleted_at       timestamptz,
    text             text        NOT NULL,
    entities         jsonb,
    author_signature text,
    author_kind      smallint,    -- 1 user, 2 group, 3 channel
    author_id        bigint,
    views            integer,
    forwards         integer,
    replies          integer,
    reactions        jsonb,
    album_id         bigint,
    forward          jsonb,
    reply_to         jsonb,
    media_kind       text,
    media            jsonb,
    via_bot_id       bigint,
    pinned           boolean     NOT NULL,
    silent           boolean     NOT NULL,
    protected        boolean     NOT NULL,
    edit_hidden      boolean     NOT NULL,
    ttl_seconds      integer,
    raw              bytea,       -- boxed TL, as Telegram sent it
    content_hash     bytea       NOT NULL,
    counters_hash    bigint      NOT NULL,
    first_seen_at    timestamptz NOT NULL,
    changed_at       timestamptz NOT NULL, -- when what stands here was read
    PRIMARY KEY (channel_id, message_id)
) PARTITION BY HASH (channel_id);

-- +goose StatementBegin
DO $$
BEGIN
    FOR i IN 0..7 LOOP
        EXECUTE format('CREATE TABLE parser.posts_%s PARTITION OF parser.posts FOR VALUES WITH (MODULUS 8, REMAINDER %s)', i, i);
    END LOOP;
END
$$;
-- +goose StatementEnd

CREATE INDEX posts_by_time ON parser.posts (channel_id, posted_at);

-- What an edited post said before.
CREATE TABLE parser.revisions (
    channel_id       bigint      NOT NULL,
    message_id       bigint      NOT NULL,
    revision         integer     NOT NULL,
    edited_at        timestamptz,
    deleted_at       timestamptz,
    text             text        NOT NULL,
    entities         jsonb,
    author_signature text,
    forward          jsonb,
    reply_to         jsonb,
    media            jsonb,
    pinned           boolean     NOT NULL,
    raw              bytea,
    seen_at          timestamptz NOT NULL, -- when this revision was read
    replaced_at      timestamptz NOT NULL, -- when the next one was
    PRIMARY KEY (channel_id, message_id, revision)
);

-- Messages that this version cannot read; they count as covered, and are here to be read by a later one.
CREATE TABLE parser.quarantine (
    channel_id    bigint      NOT NULL,
    message_id    bigint      NOT NULL,
    raw           bytea       NOT NULL,
    problem       text        NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    failures      integer     NOT NULL,
    PRIMARY KEY (channel_id, message_id)
);

-- The outbox, and with it the history of events; docs/decisions/0005-outbox.md. Days are made and dropped by the service.
CREATE SEQUENCE parser.event_ids;
CREATE TABLE parser.events (
    tx          xid8        NOT NULL,
    id          bigint      NOT NULL DEFAULT nextval('parser.event_ids'),
    channel_id  bigint      NOT NULL,
    message_id  bigint      NOT NULL,
    revision    integer     NOT NULL,
    kind        text        NOT NULL,
    recorded_at timestamptz NOT NULL,
    event       bytea       NOT NULL -- tidemark.event.v1.Event
) PARTITION BY RANGE (recorded_at);
CREATE INDEX events_in_order ON parser.events (tx, id);
CREATE TABLE parser.events_default PARTITION OF parser.events DEFAULT;

-- How far the relay has published.
CREATE TABLE parser.relay (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    tx       xid8    NOT NULL,
    id       bigint  NOT NULL
);
INSERT INTO parser.relay (tx, id) VALUES ('0', 0);
