-- name: ListAccounts :many
SELECT id, username, masked_phone, state, created_at, last_ok_at FROM parser.accounts
WHERE id > sqlc.arg(after) ORDER BY id LIMIT sqlc.arg(most);

-- name: ListFloods :many
SELECT * FROM parser.floods
WHERE account_id = ANY (sqlc.arg(account_ids)::bigint[]) AND blocked_until > sqlc.arg(now)::timestamptz
ORDER BY account_id, method;

-- name: DeleteAccount :exec
DELETE FROM parser.accounts WHERE id = $1;

-- name: AdoptAccount :one
-- A fresh login ends whatever lease there was: its session is the only one that counts now.
INSERT INTO parser.accounts (id, username, masked_phone, state, session, lease_owner, lease_token, lease_until, created_at)
VALUES (sqlc.arg(id), sqlc.arg(username), sqlc.arg(masked_phone), 'active', sqlc.arg(session), sqlc.arg(owner), 1,
    now() + make_interval(secs => sqlc.arg(ttl_seconds)::double precision), sqlc.arg(created_at))
ON CONFLICT (id) DO UPDATE SET username = excluded.username, masked_phone = excluded.masked_phone, state = excluded.state,
    session = excluded.session, lease_owner = excluded.lease_owner, lease_token = accounts.lease_token + 1,
    lease_until = excluded.lease_until, created_at = excluded.created_at
RETURNING lease_token;

-- name: AcquireLease :one
UPDATE parser.accounts SET lease_owner = sqlc.arg(owner), lease_token = lease_token + 1, lease_until = now() + make_interval(secs => sqlc.arg(ttl_seconds)::double precision)
WHERE id = sqlc.arg(id) AND (lease_until IS NULL OR lease_until < now())
RETURNING lease_token, session;

-- name: Holders :many
SELECT DISTINCT lease_owner FROM parser.accounts WHERE lease_until > now() AND lease_owner <> sqlc.arg(own) ORDER BY lease_owner;

-- name: AccountExists :one
SELECT EXISTS (SELECT FROM parser.accounts WHERE id = $1);

-- name: RenewLease :execrows
-- Also when it ran out, as long as nobody took it: then the token is still ours.
UPDATE parser.accounts SET lease_until = now() + make_interval(secs => sqlc.arg(ttl_seconds)::double precision), state = sqlc.arg(state),
    last_ok_at = greatest(last_ok_at, sqlc.narg(ok_at)::timestamptz)
WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token) AND lease_until IS NOT NULL;

-- name: SaveSession :execrows
UPDATE parser.accounts SET session = sqlc.arg(session)
WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token) AND lease_until IS NOT NULL;

-- name: ReleaseLease :exec
UPDATE parser.accounts SET lease_until = NULL, lease_owner = ''
WHERE id = sqlc.arg(id) AND lease_token = sqlc.arg(token);

-- name: PeersOfChannel :many
SELECT * FROM parser.peers WHERE channel_id = $1 ORDER BY account_id;

-- name: ChannelOfUsername :one
SELECT channel_id FROM parser.usernames WHERE username = $1;

-- name: UsernameOfChannel :one
SELECT username FROM parser.usernames WHERE channel_id = $1 ORDER BY resolved_at DESC LIMIT 1;

-- name: SavePeers :exec
INSERT INTO parser.peers (channel_id, account_id, access_hash, username, title, kind, protected, resolved_at)
SELECT unnest(sqlc.arg(channel_ids)::bigint[]), unnest(sqlc.arg(account_ids)::bigint[]), unnest(sqlc.arg(access_hashes)::bigint[]),
    unnest(sqlc.arg(usernames)::text[]), unnest(sqlc.arg(titles)::text[]), unnest(sqlc.arg(kinds)::text[]), unnest(sqlc.arg(protecteds)::boolean[]),
    unnest(sqlc.arg(resolved_ats)::timestamptz[])
ON CONFLICT (channel_id, account_id) DO UPDATE SET access_hash = excluded.access_hash, username = excluded.username, title = excluded.title,
    kind = excluded.kind, protected = excluded.protected, resolved_at = excluded.resolved_at;

-- name: SaveUsername :exec
INSERT INTO parser.usernames (username, channel_id, resolved_at) VALUES ($1, $2, $3)
ON CONFLICT (username) DO UPDATE SET channel_id = excluded.channel_id, resolved_at = excluded.resolved_at;

-- name: SaveFlood :exec
INSERT INTO parser.floods (account_id, method, told_at, blocked_until) VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id, method) DO UPDATE SET told_at = excluded.told_at, blocked_until = excluded.blocked_until
WHERE floods.blocked_until < excluded.blocked_until;

-- name: Spend :one
-- Counts one more, in the window that is open or a new one; no row comes back when the open window is used up.
INSERT INTO parser.budgets AS b (account_id, method, window_start_at, spent)
VALUES (sqlc.arg(account_id), sqlc.arg(method), sqlc.arg(now), 1)
ON CONFLICT (account_id, method) DO UPDATE SET
    window_start_at = CASE WHEN b.window_start_at <= sqlc.arg(stale)::timestamptz THEN excluded.window_start_at ELSE b.window_start_at END,
    spent = CASE WHEN b.window_start_at <= sqlc.arg(stale)::timestamptz THEN 1 ELSE b.spent + 1 END
WHERE b.window_start_at <= sqlc.arg(stale)::timestamptz OR b.spent < sqlc.arg(most)::integer
RETURNING spent;

-- name: BudgetWindow :one
SELECT window_start_at FROM parser.budgets WHERE account_id = $1 AND method = $2;
