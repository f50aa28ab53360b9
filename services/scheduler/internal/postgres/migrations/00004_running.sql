-- +goose Up
-- A run that goes on says so, as it does on the wire.
ALTER TABLE scheduler.runs ALTER COLUMN outcome SET DEFAULT 'running';
DROP INDEX scheduler.runs_open;
UPDATE scheduler.runs SET outcome = 'running' WHERE outcome = '';
CREATE INDEX runs_open ON scheduler.runs (channel_id) WHERE outcome = 'running';
