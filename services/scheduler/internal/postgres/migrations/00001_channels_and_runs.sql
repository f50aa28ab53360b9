-- +goose Up
CREATE SCHEMA IF NOT EXISTS scheduler;

CREATE TABLE scheduler.channels (
    channel_id       bigint      PRIMARY KEY CHECK (channel_id > 0),
    username         text        NOT NULL,
    title            text        NOT NULL,
    supergroup       boolean     NOT NULL,
    protected        boolean     NOT NULL,
    state            text        NOT NULL CHECK (state IN ('new', 'active', 'idle', 'blocked', 'paused')),
    reason           text        NOT NULL DEFAULT '',
    note             text        NOT NULL DEFAULT '',
    interval_ms      bigint      NOT NULL CHECK (interval_ms > 0),
    horizon_ms       bigint      NOT NULL DEFAULT 0,
    horizon_messages bigint      NOT NULL DEFAULT 0,
    next_run_at      timestamptz, -- absent while paused or removed
    checked_at       timestamptz,
    advanced_at      timestamptz,
    failures         int         NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    removed_at       timestamptz,
    claimed_by       text,        -- who runs it now
    claimed_until    timestamptz, -- silence beyond this loses the claim; Postgres's clock decides
    epoch            bigint      NOT NULL DEFAULT 0 -- grows when a claim was lost, so that a job of the dead does not stand for a living one
);

CREATE INDEX channels_due ON scheduler.channels (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE INDEX channels_claimed ON scheduler.channels (claimed_until) WHERE claimed_by IS NOT NULL;

CREATE TABLE scheduler.runs (
    run_id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id    bigint      NOT NULL,
    mode          text        NOT NULL,
    outcome       text        NOT NULL DEFAULT '', -- '' while it goes on
    started_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    posts_new     int         NOT NULL DEFAULT 0,
    posts_changed int         NOT NULL DEFAULT 0,
    messages_read int         NOT NULL DEFAULT 0,
    pages_read    int         NOT NULL DEFAULT 0,
    ids_covered   bigint      NOT NULL DEFAULT 0,
    reason        text        NOT NULL DEFAULT '',
    message       text        NOT NULL DEFAULT '',
    stage         text        NOT NULL DEFAULT '',
    resume_at     timestamptz,
    ended         bigint      -- counts runs in the order in which their ends were committed
);

CREATE INDEX runs_by_channel ON scheduler.runs (channel_id, run_id DESC);
CREATE UNIQUE INDEX runs_ended ON scheduler.runs (ended) WHERE ended IS NOT NULL;
CREATE INDEX runs_open ON scheduler.runs (channel_id) WHERE outcome = '';

-- A counter that is locked until commit: a watcher that saw n has seen everything before n. A sequence could not promise that.
CREATE TABLE scheduler.ended (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), n bigint NOT NULL);
INSERT INTO scheduler.ended (n) VALUES (0);
