-- Coverage is read as two arrays, ends outside: Postgres sends those several times faster than a wide multirange.

-- name: GetMarks :many
SELECT m.channel_id, m.stage, c.firsts, c.ends, u.firsts AS unavailable_firsts, u.ends AS unavailable_ends, m.state, m.reason, m.floor_id, m.top_id, m.head_at, m.checked_at, m.attempted_at, m.advanced_at,
    m.run_token, m.generation, m.version
FROM watermark.marks m
JOIN (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
  ON m.channel_id = k.channel_id AND m.stage = k.stage
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(lower(r)), '{}')::bigint[] AS firsts, COALESCE(array_agg(upper(r)), '{}')::bigint[] AS ends FROM unnest(m.covered) r
) c
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(lower(r)), '{}')::bigint[] AS firsts, COALESCE(array_agg(upper(r)), '{}')::bigint[] AS ends FROM unnest(m.unavailable) r
) u
WHERE m.version > 0;

-- name: ListMarks :many
SELECT m.channel_id, m.stage, c.firsts, c.ends, u.firsts AS unavailable_firsts, u.ends AS unavailable_ends, m.state, m.reason, m.floor_id, m.top_id, m.head_at, m.checked_at, m.attempted_at, m.advanced_at,
    m.run_token, m.generation, m.version
FROM watermark.marks m
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(lower(r)), '{}')::bigint[] AS firsts, COALESCE(array_agg(upper(r)), '{}')::bigint[] AS ends FROM unnest(m.covered) r
) c
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(lower(r)), '{}')::bigint[] AS firsts, COALESCE(array_agg(upper(r)), '{}')::bigint[] AS ends FROM unnest(m.unavailable) r
) u
WHERE (m.stage, m.channel_id) > (sqlc.arg(after_stage)::text, sqlc.arg(after_channel)::bigint)
  AND (sqlc.arg(stage)::text = '' OR m.stage = sqlc.arg(stage)::text)
  AND (sqlc.arg(state)::text = '' OR m.state = sqlc.arg(state)::text)
  AND (sqlc.narg(checked_before)::timestamptz IS NULL OR m.checked_at IS NULL OR m.checked_at < sqlc.narg(checked_before)::timestamptz)
  AND m.version > 0
ORDER BY m.stage, m.channel_id
LIMIT sqlc.arg(most);

-- name: CreateMarks :exec
-- Makes sure that there is a row to lock. Version 0 says that it was never written, and is not shown.
INSERT INTO watermark.marks (channel_id, stage, covered, state, generation, version)
SELECT k.channel_id, k.stage, '{}', 'active', 1, 0
FROM (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
ORDER BY k.stage, k.channel_id
ON CONFLICT DO NOTHING;

-- name: LockMarks :many
-- In one order, whoever asks: so two batches never wait for each other in a circle. Coverage is unfolded from what was locked: beside the
-- locking it would be the coverage of before the wait, and another writer's ids would be lost.
WITH m AS (
    SELECT o.* FROM watermark.marks o
    JOIN (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
      ON o.channel_id = k.channel_id AND o.stage = k.stage
    ORDER BY o.stage, o.channel_id
    FOR UPDATE OF o
)
SELECT m.channel_id, m.stage, c.firsts, c.ends, u.firsts AS unavailable_firsts, u.ends AS unavailable_ends, m.state, m.reason, m.floor_id, m.top_id, m.head_at, m.checked_at, m.attempted_at, m.advanced_at,
    m.run_token, m.generation, m.version
FROM m
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(lower(r)), '{}')::bigint[] AS firsts, COALESCE(array_agg(upper(r)), '{}')::bigint[] AS ends FROM unnest(m.covered) r
) c
CROSS JOIN LATERAL (
    SELECT COALESCE(array_agg(lower(r)), '{}')::bigint[] AS firsts, COALESCE(array_agg(upper(r)), '{}')::bigint[] AS ends FROM unnest(m.unavailable) r
) u;

-- name: SaveMark :batchexec
UPDATE watermark.marks SET covered = $3, state = $4, reason = $5, floor_id = $6, top_id = $7, head_at = $8, checked_at = $9, advanced_at = $10,
    run_token = $11, generation = $12, version = $13, unavailable = $14, attempted_at = $15
WHERE channel_id = $1 AND stage = $2;

-- name: AuditRewind :exec
INSERT INTO watermark.rewinds (channel_id, stage, removed, reason, generation, rewound_at) VALUES ($1, $2, $3, $4, $5, $6);

-- name: GetVersions :many
-- Touches no coverage, which may be wide and is kept apart from its row.
SELECT m.channel_id, m.stage, m.version FROM watermark.marks m
JOIN (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(stages)::text[]) AS stage) k
  ON m.channel_id = k.channel_id AND m.stage = k.stage
WHERE m.version > 0;
