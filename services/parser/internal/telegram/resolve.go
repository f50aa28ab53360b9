package telegram

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const methodResolve = "contacts.resolveUsername"

// contacts.resolveUsername is the dangerous method: a few dozen calls have brought accounts waits of a day (Telethon #494, #3107; TelegramRSS
// #11; axisrow #551). Telegram publishes no numbers; these stay well below what is reported. Each username is asked about once, ever.
const (
	resolveEvery  = 3 * time.Second
	resolveBurst  = 5
	resolvePerDay = 100
	day           = 24 * time.Hour
)

func (p *Pool) newNamesPace() pace {
	return newPace(cmp.Or(p.cfg.ResolveRate, 1/resolveEvery.Seconds()), max(resolveBurst, int(p.cfg.ResolveRate)))
}

// Resolve turns a reference into a channel; what was ever resolved costs no request. A channel that is known by its id only is looked for among
// the dialogs of our accounts.
func (p *Pool) Resolve(ctx context.Context, ref ingest.Ref) (ingest.Channel, error) {
	known, err := p.known(ctx, ref)
	if err != nil || known != nil {
		return channelOf(known), err
	}
	if ref.Username != "" {
		return p.resolveUsername(ctx, ref)
	}
	return p.findDialog(ctx, ref.ID)
}

// known is what the store knows of a reference, nil for nothing.
func (p *Pool) known(ctx context.Context, ref ingest.Ref) ([]account.Peer, error) {
	id := ref.ID
	if ref.Username != "" {
		channel, err := p.store.ChannelOf(ctx, ref.Username)
		if err != nil || channel == 0 {
			return nil, err
		}
		id = ingest.ChannelID(channel)
	}
	peers, err := p.cache.peers(ctx, id)
	if err != nil || len(peers) == 0 {
		return nil, err
	}
	return peers, nil
}

func channelOf(peers []account.Peer) ingest.Channel {
	if len(peers) == 0 {
		return ingest.Channel{}
	}
	newest := slices.MaxFunc(peers, func(a, b account.Peer) int { return a.ResolvedAt.Compare(b.ResolvedAt) })
	return toChannel(newest)
}

// resolveUsername asks one account after the other, and Telegram about one name at a time.
func (p *Pool) resolveUsername(ctx context.Context, ref ingest.Ref) (ingest.Channel, error) {
	select {
	case p.naming <- struct{}{}:
		defer func() { <-p.naming }()
	case <-ctx.Done():
		return ingest.Channel{}, fmt.Errorf("wait to resolve %s: %w", ref.Username, ctx.Err())
	}
	if known, err := p.known(ctx, ref); err != nil || known != nil {
		return channelOf(known), err
	}
	readers, err := p.usable(ctx)
	if err != nil {
		return ingest.Channel{}, err
	}
	slices.SortFunc(readers, func(a, b *reader) int { return p.compare(a, b, methodResolve) })
	var first error
	for _, r := range readers {
		peer, err := p.ask(ctx, r, ref.Username)
		if err == nil {
			return toChannel(peer), nil
		}
		if !anotherMayDo(err) {
			return ingest.Channel{}, err
		}
		first = cmp.Or(first, err)
	}
	return ingest.Channel{}, first
}

// introduce gets an account an access hash for a channel whose username is known. A name that leads elsewhere today does not count.
func (p *Pool) introduce(ctx context.Context, r *reader, channel ingest.ChannelID, username string) (account.Peer, error) {
	if username == "" {
		return account.Peer{}, ingest.ErrNotMember
	}
	peer, err := p.ask(ctx, r, strings.ToLower(username))
	if err == nil && peer.Channel != int64(channel) {
		return account.Peer{}, fmt.Errorf("%s is another channel now: %w", username, ingest.ErrNotMember)
	}
	return peer, err
}

// ask resolves a username with one account, within its budget, and remembers the answer.
func (p *Pool) ask(ctx context.Context, r *reader, username string) (account.Peer, error) {
	if err := p.spend(ctx, r); err != nil {
		return account.Peer{}, err
	}
	answer, err := p.call(ctx, r, &tg.ContactsResolveUsernameRequest{Username: username})
	if err != nil {
		return account.Peer{}, fmt.Errorf("resolve %s: %w", username, err)
	}
	var resolved tg.ContactsResolvedPeer
	if err := resolved.Decode(&bin.Buffer{Buf: answer}); err != nil {
		return account.Peer{}, fmt.Errorf("decode what %s resolves to: %w", username, err)
	}
	peer, err := p.resolvedPeer(r.id(), username, resolved)
	if err != nil {
		return account.Peer{}, err
	}
	defer p.cache.forget(ingest.ChannelID(peer.Channel))
	err = errors.Join(p.store.SavePeers(ctx, []account.Peer{peer}), p.store.SaveUsername(ctx, username, peer.Channel, p.now()))
	if err != nil {
		return account.Peer{}, fmt.Errorf("remember %s: %w", username, err)
	}
	return peer, nil
}

// spend takes one call from the account's budget.
func (p *Pool) spend(ctx context.Context, r *reader) error {
	if p.gate.Remaining(r.id(), methodResolve) == 0 {
		if err := r.names.wait(ctx, p.now(), r.id(), methodResolve); err != nil {
			return err
		}
		until, err := p.store.Spend(ctx, r.id(), methodResolve, resolvePerDay, day, p.now())
		if err != nil {
			return fmt.Errorf("count a resolved username: %w", err)
		}
		if !until.IsZero() {
			return &ingest.FloodError{Account: ingest.AccountID(r.id()), Method: methodResolve, Wait: until.Sub(p.now())}
		}
	}
	return nil
}

// resolvedPeer picks the channel out of an answer.
func (p *Pool) resolvedPeer(id account.ID, username string, resolved tg.ContactsResolvedPeer) (account.Peer, error) {
	peer, ok := resolved.Peer.(*tg.PeerChannel)
	if !ok {
		return account.Peer{}, &ingest.RefError{Ref: username, Problem: "is " + whatElse(resolved) + ", not a channel"}
	}
	for _, chat := range resolved.Chats {
		switch c := chat.(type) {
		case *tg.Channel:
			if c.ID == peer.ChannelID && !c.Min {
				return toAccountPeer(id, c, p.now()), nil
			}
		case *tg.ChannelForbidden:
			if c.ID == peer.ChannelID {
				return account.Peer{}, fmt.Errorf("resolve %s: %w", username, ingest.ErrPrivate)
			}
		}
	}
	return account.Peer{}, fmt.Errorf("resolve %s: telegram names a channel and does not describe it: %w", username, ingest.ErrPrivate)
}

func whatElse(resolved tg.ContactsResolvedPeer) string {
	peer, ok := resolved.Peer.(*tg.PeerUser)
	if !ok {
		return "a basic group"
	}
	for _, u := range resolved.Users {
		if user, ok := u.(*tg.User); ok && user.ID == peer.UserID && user.Bot {
			return "a bot"
		}
	}
	return "a user"
}

func toAccountPeer(id account.ID, c *tg.Channel, now time.Time) account.Peer {
	username := c.Username
	for _, u := range c.Usernames {
		if username == "" && u.Active {
			username = u.Username
		}
	}
	return account.Peer{
		Account: id, Channel: c.ID, AccessHash: c.AccessHash, Username: clean(username), Title: clean(c.Title),
		Supergroup: c.Megagroup, Protected: c.Noforwards, ResolvedAt: now,
	}
}
