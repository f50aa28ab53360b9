-- name: GetMarks :many
SELECT m.* FROM watermark.marks m
JOIN (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
  ON m.channel_id = k.channel_id AND m.stage = k.stage
WHERE m.version > 0;

-- name: ListMarks :many
SELECT * FROM watermark.marks
WHERE (stage, channel_id) > (sqlc.arg(after_stage)::text, sqlc.arg(after_channel)::bigint)
  AND (sqlc.arg(stage)::text = '' OR stage = sqlc.arg(stage)::text)
  AND (sqlc.arg(state)::text = '' OR state = sqlc.arg(state)::text)
  AND (sqlc.narg(checked_before)::timestamptz IS NULL OR checked_at IS NULL OR checked_at < sqlc.narg(checked_before)::timestamptz)
  AND version > 0
ORDER BY stage, channel_id
LIMIT sqlc.arg(most);

-- name: CreateMarks :exec
-- Makes sure that there is a row to lock. Version 0 says that it was never written, and is not shown.
INSERT INTO watermark.marks (channel_id, stage, covered, state, generation, version)
SELECT k.channel_id, k.stage, '{}', 'active', 1, 0
FROM (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
ORDER BY k.stage, k.channel_id
ON CONFLICT DO NOTHING;

-- name: LockMarks :many
-- In one order, whoever asks: so two batches never wait for each other.
SELECT m.* FROM watermark.marks m
JOIN (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
  ON m.channel_id = k.channel_id AND m.stage = k.stage
ORDER BY m.stage, m.channel_id
FOR UPDATE OF m;

-- name: SaveMark :batchexec
UPDATE watermark.marks SET covered = $3, state = $4, reason = $5, floor_id = $6, top_id = $7, head_at = $8, checked_at = $9, advanced_at = $10,
    run_token = $11, generation = $12, version = $13
WHERE channel_id = $1 AND stage = $2;

-- name: AuditRewind :exec
INSERT INTO watermark.rewinds (channel_id, stage, removed, reason, generation, rewound_at) VALUES ($1, $2, $3, $4, $5, $6);
