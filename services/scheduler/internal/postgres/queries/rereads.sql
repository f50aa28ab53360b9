-- name: Rereads :many
SELECT * FROM scheduler.rereads WHERE channel_id = ANY (sqlc.arg(channel_ids)::bigint[]) ORDER BY channel_id, rung;

-- name: AskReread :one
-- One that waits is joined with the new one; one that is done is begun anew.
INSERT INTO scheduler.rereads AS r (channel_id, rung, after_id, target_id, due_at) VALUES (sqlc.arg(channel_id), 0, sqlc.arg(after_id), sqlc.arg(target_id), sqlc.arg(due_at))
ON CONFLICT (channel_id, rung) DO UPDATE SET version = r.version + 1,
    after_id = CASE WHEN r.target_id > r.after_id THEN least(r.after_id, excluded.after_id) ELSE excluded.after_id END,
    target_id = CASE WHEN r.target_id > r.after_id THEN greatest(r.target_id, excluded.target_id) ELSE excluded.target_id END,
    due_at = CASE WHEN r.target_id > r.after_id THEN least(r.due_at, excluded.due_at) ELSE excluded.due_at END
RETURNING after_id, target_id;

-- name: SaveReread :batchexec
-- What a worker left; a row that was changed meanwhile stays as it is.
INSERT INTO scheduler.rereads AS r (channel_id, rung, after_id, target_id, due_at) VALUES (sqlc.arg(channel_id), sqlc.arg(rung), sqlc.arg(after_id), sqlc.arg(target_id), sqlc.arg(due_at))
ON CONFLICT (channel_id, rung) DO UPDATE SET version = r.version + 1, after_id = excluded.after_id, target_id = excluded.target_id, due_at = excluded.due_at
WHERE r.version = sqlc.arg(version)::bigint AND (r.after_id, r.target_id, r.due_at) IS DISTINCT FROM (excluded.after_id, excluded.target_id, excluded.due_at);
