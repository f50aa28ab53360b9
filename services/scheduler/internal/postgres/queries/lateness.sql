-- name: Lateness :one
-- Of the channels that are to be looked at: how many were not for three of their intervals and a minute, and how long the longest neglected was not.
SELECT (count(*) FILTER (WHERE coalesce(checked_at, created_at) < sqlc.arg(now)::timestamptz - 3 * interval_ms * interval '1 ms' - interval '1 minute'))::int AS late,
       coalesce(greatest(0, extract(epoch FROM sqlc.arg(now)::timestamptz - min(coalesce(checked_at, created_at))) * 1000), 0)::bigint AS oldest_ms
FROM scheduler.channels WHERE removed_at IS NULL AND state NOT IN ('paused', 'blocked');
