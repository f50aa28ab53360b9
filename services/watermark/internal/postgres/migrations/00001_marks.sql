-- +goose Up
CREATE SCHEMA IF NOT EXISTS watermark;

CREATE TABLE watermark.marks (
    channel_id  bigint         NOT NULL CHECK (channel_id > 0),
    stage       text           NOT NULL,
    covered     int8multirange NOT NULL,
    state       text           NOT NULL CHECK (state IN ('active', 'idle', 'blocked')),
    reason      text           NOT NULL DEFAULT '',
    floor_id    bigint         NOT NULL DEFAULT 0,
    top_id      bigint         NOT NULL DEFAULT 0,
    head_at     timestamptz,
    checked_at  timestamptz,
    advanced_at timestamptz,
    run_token   bigint         NOT NULL DEFAULT 0,
    generation  bigint         NOT NULL,
    version     bigint         NOT NULL,
    PRIMARY KEY (stage, channel_id)
);

-- A mark that is widened and narrowed in place all day: leave room on its page, so that updates stay off the indexes.
ALTER TABLE watermark.marks SET (fillfactor = 70);

CREATE TABLE watermark.rewinds (
    id         bigint         GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel_id bigint         NOT NULL,
    stage      text           NOT NULL,
    removed    int8multirange NOT NULL,
    reason     text           NOT NULL,
    generation bigint         NOT NULL,
    rewound_at timestamptz    NOT NULL
);

CREATE INDEX rewinds_by_mark ON watermark.rewinds (stage, channel_id, id);
