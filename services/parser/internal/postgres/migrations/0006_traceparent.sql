-- +goose Up
-- The trace in which an event came about, in W3C's form; null for most: traces are off by default.
ALTER TABLE parser.events ADD COLUMN traceparent text;
