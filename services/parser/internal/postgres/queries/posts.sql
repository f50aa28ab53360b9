-- name: GetPosts :many
SELECT * FROM parser.posts
WHERE channel_id = sqlc.arg(channel_id) AND message_id = ANY (sqlc.arg(message_ids)::bigint[])
ORDER BY message_id;

-- name: ListPosts :many
SELECT * FROM parser.posts
WHERE channel_id = sqlc.arg(channel_id) AND message_id BETWEEN sqlc.arg(first_id) AND sqlc.arg(last_id)
  AND (sqlc.narg(posted_since)::timestamptz IS NULL OR posted_at >= sqlc.narg(posted_since))
  AND (sqlc.narg(posted_until)::timestamptz IS NULL OR posted_at < sqlc.narg(posted_until))
  AND (deleted_at IS NULL OR NOT sqlc.arg(hide_deleted)::boolean)
ORDER BY message_id
LIMIT sqlc.arg(most);

-- name: ListPostsDescending :many
SELECT * FROM parser.posts
WHERE channel_id = sqlc.arg(channel_id) AND message_id BETWEEN sqlc.arg(first_id) AND sqlc.arg(last_id)
  AND (sqlc.narg(posted_since)::timestamptz IS NULL OR posted_at >= sqlc.narg(posted_since))
  AND (sqlc.narg(posted_until)::timestamptz IS NULL OR posted_at < sqlc.narg(posted_until))
  AND (deleted_at IS NULL OR NOT sqlc.arg(hide_deleted)::boolean)
ORDER BY message_id DESC
LIMIT sqlc.arg(most);
