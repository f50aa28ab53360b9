-- +goose Up
-- Ids that the source was asked for in vain, more than once.
ALTER TABLE watermark.marks ADD COLUMN unavailable int8multirange NOT NULL DEFAULT '{}';
