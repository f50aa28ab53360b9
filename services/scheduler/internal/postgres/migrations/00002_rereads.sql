-- +goose Up
-- Stretches of covered ids that are to be read again. Rung 0 was asked for; the others are the steps of the lookback.
CREATE TABLE scheduler.rereads (
    channel_id bigint      NOT NULL REFERENCES scheduler.channels ON DELETE CASCADE,
    rung       int         NOT NULL,
    after_id   bigint      NOT NULL, -- up to here it is done
    target_id  bigint      NOT NULL, -- up to here it is to be done
    due_at     timestamptz NOT NULL,
    version    bigint      NOT NULL DEFAULT 1, -- grows with every change, so that a worker never writes over what was asked for meanwhile
    PRIMARY KEY (channel_id, rung)
);

-- Telegram's event counter that everything read accounts for, and the channel's top at that moment.
ALTER TABLE scheduler.channels ADD COLUMN pts bigint NOT NULL DEFAULT 0, ADD COLUMN pts_top bigint NOT NULL DEFAULT 0;
