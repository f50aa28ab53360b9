-- name: SealedSessions :many
SELECT id, session FROM parser.accounts WHERE id > sqlc.arg(after) ORDER BY id LIMIT sqlc.arg(most);

-- name: ReplaceSession :execrows
-- Only what was looked at is replaced: a session that was saved meanwhile is newer.
UPDATE parser.accounts SET session = sqlc.arg(fresh) WHERE id = sqlc.arg(id) AND session = sqlc.arg(seen);
