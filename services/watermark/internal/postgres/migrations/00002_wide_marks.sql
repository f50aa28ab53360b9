-- +goose Up
-- A wide mark is rewritten with every advance; compressing it each time costs more than the advance itself.
ALTER TABLE watermark.marks ALTER COLUMN covered SET STORAGE EXTERNAL;
