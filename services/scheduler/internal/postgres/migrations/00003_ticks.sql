-- +goose Up
-- When a tick last ended well, whoever's it was, by Postgres's clock: that is how each scheduler tells whether due channels are noticed.
CREATE TABLE scheduler.ticks (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), ended_at timestamptz NOT NULL);
INSERT INTO scheduler.ticks (ended_at) VALUES (clock_timestamp());
