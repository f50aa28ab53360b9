package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
)

// Peers are all accounts' ways to a channel, by account.
func (a *Accounts) Peers(ctx context.Context, channel int64) ([]account.Peer, error) {
	rows, err := a.db.PeersOfChannel(ctx, channel)
	if err != nil {
		return nil, accountsErr("read peers", err)
	}
	peers := make([]account.Peer, len(rows))
	for i, r := range rows {
		peers[i] = toPeer(r)
	}
	return peers, nil
}

// ChannelOf is the channel that a username was resolved to, 0 when it never was.
func (a *Accounts) ChannelOf(ctx context.Context, username string) (int64, error) {
	channel, err := a.db.ChannelOfUsername(ctx, username)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return channel, accountsErr("look up username", err)
}

// UsernameOf is the username that was last resolved to a channel, "" when none was.
func (a *Accounts) UsernameOf(ctx context.Context, channel int64) (string, error) {
	username, err := a.db.UsernameOfChannel(ctx, channel)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return username, accountsErr("look up a channel's username", err)
}

// SavePeers remembers peers, in one order, so that two savers never wait for each other, and each once.
func (a *Accounts) SavePeers(ctx context.Context, peers []account.Peer) error {
	peers = slices.Clone(peers)
	slices.SortStableFunc(peers, comparePeers)
	peers = slices.CompactFunc(peers, func(p, q account.Peer) bool { return comparePeers(p, q) == 0 })
	return accountsErr("save peers", a.db.SavePeers(ctx, fromPeers(peers)))
}

// SaveUsername remembers what a username was resolved to.
func (a *Accounts) SaveUsername(ctx context.Context, username string, channel int64, now time.Time) error {
	return accountsErr("save username", a.db.SaveUsername(ctx, db.SaveUsernameParams{Username: username, ChannelID: channel, ResolvedAt: now}))
}

// SaveFlood remembers a wait; a longer one that is known stays.
func (a *Accounts) SaveFlood(ctx context.Context, f account.Flood) error {
	return accountsErr("save flood", a.db.SaveFlood(ctx, db.SaveFloodParams{
		AccountID: int64(f.Account), Method: f.Method, ToldAt: f.Since, BlockedUntil: f.Until,
	}))
}

// Spend counts one call against limit calls per window.
func (a *Accounts) Spend(
	ctx context.Context, id account.ID, method string, limit int, window time.Duration, now time.Time,
) (time.Time, error) {
	_, err := a.db.Spend(ctx, db.SpendParams{AccountID: int64(id), Method: method, Now: now, Stale: now.Add(-window), Most: int32(limit)})
	if !errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, accountsErr("spend budget", err)
	}
	start, err := a.db.BudgetWindow(ctx, db.BudgetWindowParams{AccountID: int64(id), Method: method})
	return start.Add(window), accountsErr("read budget", err)
}
