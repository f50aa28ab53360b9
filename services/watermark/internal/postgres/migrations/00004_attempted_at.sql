-- +goose Up
-- checked_at moves with answers only from here on; the last attempt, answered or not, orders the checks.
ALTER TABLE watermark.marks ADD COLUMN attempted_at timestamptz;
UPDATE watermark.marks SET attempted_at = checked_at;
