-- +goose Up
-- Of a message whose id cannot be told either: the highest that it can have, while message_id is the lowest. Null: message_id is its id.
ALTER TABLE parser.quarantine ADD COLUMN last_id bigint;
