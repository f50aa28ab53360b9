-- name: SaveTick :exec
UPDATE scheduler.ticks SET ended_at = clock_timestamp();

-- name: LastTick :one
SELECT ended_at, greatest(0, extract(epoch FROM clock_timestamp() - ended_at) * 1000)::bigint AS age_ms FROM scheduler.ticks;
