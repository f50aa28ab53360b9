-- +goose Up
-- What every consumer group has acknowledged, as far as is known: from there on a wiped stream is filled again. Null: nobody is known to read in a group.
-- Rewound at: since when the relay goes over events again, whose own age then says nothing.
ALTER TABLE parser.relay ADD COLUMN acked_tx xid8, ADD COLUMN acked_id bigint, ADD COLUMN rewound_at timestamptz;
