-- name: BeginRun :one
INSERT INTO scheduler.runs (channel_id, mode, started_at) VALUES ($1, $2, $3) RETURNING run_id;

-- name: CloseLostRuns :many
SELECT run_id FROM scheduler.runs WHERE channel_id = $1 AND outcome = 'running' ORDER BY run_id FOR UPDATE;

-- name: ForsakenRuns :many
-- Open runs that nobody works on: a run begins after its channel was claimed, and ends before that is released.
SELECT r.run_id FROM scheduler.runs r LEFT JOIN scheduler.channels c ON c.channel_id = r.channel_id
WHERE r.outcome = 'running' AND (c.claimed_by IS NULL OR c.claimed_until < now())
ORDER BY r.run_id FOR UPDATE OF r SKIP LOCKED;

-- name: CountEnd :one
UPDATE scheduler.ended SET n = n + 1 RETURNING n;

-- name: LoseRun :exec
UPDATE scheduler.runs SET outcome = 'lost', finished_at = sqlc.arg(finished_at), ended = sqlc.arg(ended), reason = 'LOST', message = 'its process ended before it did' WHERE run_id = sqlc.arg(run_id);

-- name: EndRun :execrows
UPDATE scheduler.runs SET outcome = $2, finished_at = $3, posts_new = $4, posts_changed = $5, messages_read = $6, pages_read = $7, ids_covered = $8,
    reason = $9, message = $10, stage = $11, resume_at = $12, ended = $13
WHERE run_id = $1 AND outcome = 'running';

-- name: GetRun :one
SELECT * FROM scheduler.runs WHERE run_id = $1;

-- name: ListRuns :many
SELECT * FROM scheduler.runs
WHERE run_id < sqlc.arg(before) AND (sqlc.arg(channel_id)::bigint = 0 OR channel_id = sqlc.arg(channel_id)::bigint) AND (sqlc.arg(outcome)::text = '' OR outcome = sqlc.arg(outcome)::text)
ORDER BY run_id DESC LIMIT sqlc.arg(most);

-- name: EndedRuns :many
SELECT * FROM scheduler.runs WHERE ended > sqlc.arg(after)::bigint AND (sqlc.arg(channel_id)::bigint = 0 OR channel_id = sqlc.arg(channel_id)::bigint) ORDER BY ended LIMIT sqlc.arg(most);

-- name: LastEnd :one
SELECT n FROM scheduler.ended;
