-- +goose Up
-- A forum's topic: the message that opened it; null in "General", and where there are no topics.
ALTER TABLE parser.posts ADD COLUMN topic_id bigint;
