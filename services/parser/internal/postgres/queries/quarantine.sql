-- name: ListQuarantined :many
SELECT channel_id, message_id, coalesce(last_id, message_id)::bigint AS last_id, CASE WHEN sqlc.arg(with_raw)::boolean THEN raw ELSE '' END::bytea AS raw, problem, first_seen_at, last_seen_at, failures FROM parser.quarantine
WHERE failures >= 2 AND (channel_id, message_id) > (sqlc.arg(after_channel)::bigint, sqlc.arg(after_message)::bigint)
  AND (sqlc.arg(channel_id)::bigint = 0 OR channel_id = sqlc.arg(channel_id)::bigint)
ORDER BY channel_id, message_id LIMIT sqlc.arg(most);
