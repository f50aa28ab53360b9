-- name: AddChannel :one
-- Answers whether it was not followed before. One that was removed is followed again with the settings given.
INSERT INTO scheduler.channels AS c (channel_id, username, title, supergroup, protected, state, interval_ms, horizon_ms, horizon_messages, next_run_at, created_at)
VALUES (sqlc.arg(channel_id), sqlc.arg(username), sqlc.arg(title), sqlc.arg(supergroup), sqlc.arg(protected), 'new', sqlc.arg(interval_ms), sqlc.arg(horizon_ms), sqlc.arg(horizon_messages), sqlc.arg(now)::timestamptz, sqlc.arg(now)::timestamptz)
ON CONFLICT (channel_id) DO UPDATE SET
    username = excluded.username, title = excluded.title, protected = excluded.protected,
    state = CASE WHEN c.removed_at IS NULL THEN c.state ELSE 'new' END,
    reason = CASE WHEN c.removed_at IS NULL THEN c.reason ELSE '' END,
    note = CASE WHEN c.removed_at IS NULL THEN c.note ELSE '' END,
    failures = CASE WHEN c.removed_at IS NULL THEN c.failures ELSE 0 END,
    interval_ms = CASE WHEN c.removed_at IS NULL THEN c.interval_ms ELSE excluded.interval_ms END,
    horizon_ms = CASE WHEN c.removed_at IS NULL THEN c.horizon_ms ELSE excluded.horizon_ms END,
    horizon_messages = CASE WHEN c.removed_at IS NULL THEN c.horizon_messages ELSE excluded.horizon_messages END,
    next_run_at = CASE WHEN c.removed_at IS NULL THEN c.next_run_at ELSE excluded.next_run_at END,
    removed_at = NULL
RETURNING (next_run_at = sqlc.arg(now)::timestamptz AND state = 'new')::boolean AS added;

-- name: GetChannel :one
SELECT * FROM scheduler.channels WHERE channel_id = $1 AND removed_at IS NULL;

-- name: ListChannels :many
SELECT * FROM scheduler.channels
WHERE removed_at IS NULL AND channel_id > sqlc.arg(after) AND (sqlc.arg(state)::text = '' OR state = sqlc.arg(state)::text)
ORDER BY channel_id LIMIT sqlc.arg(most);

-- name: UpdateChannel :one
UPDATE scheduler.channels SET
    interval_ms = CASE WHEN sqlc.arg(set_interval)::boolean THEN sqlc.arg(interval_ms)::bigint ELSE interval_ms END,
    next_run_at = CASE WHEN sqlc.arg(set_interval)::boolean AND next_run_at IS NOT NULL THEN least(next_run_at, sqlc.arg(now)::timestamptz + sqlc.arg(interval_ms)::bigint * interval '1 ms') ELSE next_run_at END,
    horizon_ms = CASE WHEN sqlc.arg(set_horizon)::boolean THEN sqlc.arg(horizon_ms)::bigint ELSE horizon_ms END,
    horizon_messages = CASE WHEN sqlc.arg(set_horizon)::boolean THEN sqlc.arg(horizon_messages)::bigint ELSE horizon_messages END
WHERE channel_id = sqlc.arg(channel_id) AND removed_at IS NULL
RETURNING *;

-- name: PauseChannel :one
UPDATE scheduler.channels SET state = 'paused', reason = '', note = sqlc.arg(note), next_run_at = NULL
WHERE channel_id = sqlc.arg(channel_id) AND removed_at IS NULL
RETURNING *;

-- name: ResumeChannel :one
UPDATE scheduler.channels SET
    state = CASE WHEN state = 'paused' THEN 'active' ELSE state END, note = '', failures = 0,
    next_run_at = CASE WHEN state = 'paused' THEN sqlc.arg(now)::timestamptz ELSE next_run_at END
WHERE channel_id = sqlc.arg(channel_id) AND removed_at IS NULL
RETURNING *;

-- name: RemoveChannel :execrows
UPDATE scheduler.channels SET removed_at = sqlc.arg(now)::timestamptz, next_run_at = NULL WHERE channel_id = sqlc.arg(channel_id) AND removed_at IS NULL;

-- name: TriggerChannel :one
-- Answers whether this made it due: it was neither due nor being read before. What is paused stays so.
WITH before AS (
    SELECT c.channel_id, (c.claimed_by IS NULL OR c.claimed_until < now()) AS free, c.next_run_at > sqlc.arg(now)::timestamptz AS later
    FROM scheduler.channels c WHERE c.channel_id = sqlc.arg(channel_id) AND c.removed_at IS NULL FOR UPDATE
)
UPDATE scheduler.channels c SET next_run_at = CASE WHEN c.state = 'paused' THEN c.next_run_at ELSE least(c.next_run_at, sqlc.arg(now)::timestamptz) END
FROM before WHERE c.channel_id = before.channel_id
RETURNING coalesce(before.free AND before.later, false)::boolean AS queued, c.state = 'paused' AS paused;

-- name: DueChannels :many
-- A channel whose worker fell silent is due, whatever its time: its epoch grows, so that the dead worker's job does not stand for a new one.
WITH due AS (
    SELECT channel_id, claimed_by IS NOT NULL AS lost FROM scheduler.channels
    WHERE removed_at IS NULL AND state <> 'paused'
      AND ((claimed_by IS NULL AND next_run_at <= sqlc.arg(now)::timestamptz) OR (claimed_by IS NOT NULL AND claimed_until < now()))
    ORDER BY next_run_at LIMIT sqlc.arg(most) FOR UPDATE SKIP LOCKED
)
UPDATE scheduler.channels c SET
    epoch = c.epoch + CASE WHEN due.lost THEN 1 ELSE 0 END, claimed_by = NULL, claimed_until = NULL,
    next_run_at = least(c.next_run_at, sqlc.arg(now)::timestamptz)
FROM due WHERE c.channel_id = due.channel_id
RETURNING c.*;

-- name: SettleChannels :many
-- What a look came to. A channel that somebody paused, removed, claimed or triggered in between keeps what they said.
UPDATE scheduler.channels c SET
    state = n.state, reason = n.reason, failures = n.failures, next_run_at = n.next_run_at,
    checked_at = coalesce(nullif(n.checked_at, timestamptz '0001-01-01 00:00:00+00'), c.checked_at)
FROM (SELECT unnest(sqlc.arg(channel_ids)::bigint[]) AS channel_id, unnest(sqlc.arg(states)::text[]) AS state, unnest(sqlc.arg(reasons)::text[]) AS reason,
             unnest(sqlc.arg(failures)::int[]) AS failures, unnest(sqlc.arg(next_run_ats)::timestamptz[]) AS next_run_at, unnest(sqlc.arg(checked_ats)::timestamptz[]) AS checked_at) n
WHERE c.channel_id = n.channel_id AND c.removed_at IS NULL AND c.state <> 'paused' AND c.claimed_by IS NULL
RETURNING c.channel_id, c.epoch;

-- name: ClaimChannel :one
UPDATE scheduler.channels SET claimed_by = sqlc.arg(owner)::text, claimed_until = now() + sqlc.arg(ttl_ms)::bigint * interval '1 ms'
WHERE channel_id = sqlc.arg(channel_id) AND removed_at IS NULL AND state <> 'paused' AND (claimed_by IS NULL OR claimed_until < now())
RETURNING *;

-- name: RenewClaim :execrows
UPDATE scheduler.channels SET claimed_until = now() + sqlc.arg(ttl_ms)::bigint * interval '1 ms'
WHERE channel_id = sqlc.arg(channel_id) AND claimed_by = sqlc.arg(owner)::text AND removed_at IS NULL AND state <> 'paused';

-- name: ReleaseClaim :execrows
-- The epoch grows: River notes a moment later that a job has ended, and until then it would stand in the way of the next one.
UPDATE scheduler.channels SET claimed_by = NULL, claimed_until = NULL, epoch = epoch + 1,
    state = CASE WHEN state = 'paused' THEN state ELSE sqlc.arg(state)::text END,
    reason = CASE WHEN state = 'paused' THEN reason ELSE sqlc.arg(reason)::text END,
    next_run_at = CASE WHEN state = 'paused' OR removed_at IS NOT NULL THEN NULL ELSE sqlc.arg(next_run_at)::timestamptz END,
    failures = sqlc.arg(failures)::int, checked_at = coalesce(sqlc.narg(checked_at), checked_at), advanced_at = coalesce(sqlc.narg(advanced_at), advanced_at),
    pts = sqlc.arg(pts), pts_top = sqlc.arg(pts_top)
WHERE channel_id = sqlc.arg(channel_id) AND claimed_by = sqlc.arg(owner)::text;

-- name: CountStates :many
SELECT state, count(*)::int AS channels FROM scheduler.channels WHERE removed_at IS NULL GROUP BY state ORDER BY state;

-- name: CountWork :one
SELECT (count(*) FILTER (WHERE claimed_by IS NULL AND next_run_at <= sqlc.arg(now)::timestamptz))::int AS due,
       (count(*) FILTER (WHERE claimed_by IS NOT NULL AND claimed_until >= now()))::int AS in_flight
FROM scheduler.channels WHERE removed_at IS NULL;

-- name: OldestDue :many
SELECT next_run_at FROM scheduler.channels
WHERE removed_at IS NULL AND claimed_by IS NULL AND next_run_at <= sqlc.arg(now)::timestamptz ORDER BY next_run_at LIMIT 1;

-- name: LastProgress :many
SELECT advanced_at FROM scheduler.channels WHERE advanced_at IS NOT NULL ORDER BY advanced_at DESC LIMIT 1;
