package telegram

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// way is an account that can read a channel.
type way struct {
	reader *reader
	peer   account.Peer
}

// withPeer does something with a channel, with one account after the other until one can: first those that have its access hash, the least
// flooded first, then those that can get one by the channel's username.
func (p *Pool) withPeer(ctx context.Context, channel ingest.ChannelID, method string, do func(*reader, account.Peer) error) error {
	readers, err := p.usable(ctx)
	if err != nil {
		return err
	}
	peers, err := p.cache.peers(ctx, channel)
	if err != nil {
		return fmt.Errorf("look up channel: %w", err)
	}
	if len(peers) == 0 {
		if peers, err = p.acquaint(ctx, readers, channel); err != nil {
			return err
		}
	}
	ways, others := p.ways(readers, peers, method)
	var first error
	for _, w := range ways {
		err := p.oneWay(ctx, w, do)
		if err == nil || !anotherMayDo(err) {
			return err
		}
		first = cmp.Or(first, err)
	}
	var username string
	if len(others) > 0 {
		if username, err = p.usernameOf(ctx, channel, peers); err != nil {
			return err
		}
	}
	for _, r := range others {
		peer, err := p.introduce(ctx, r, channel, username)
		if err == nil {
			err = do(r, peer)
		}
		if err == nil || !anotherMayDo(err) {
			return err
		}
		first = cmp.Or(first, err)
	}
	return cmp.Or(first, ingest.ErrNotMember)
}

// oneWay renews the access hash once when Telegram no longer takes it.
func (p *Pool) oneWay(ctx context.Context, w way, do func(*reader, account.Peer) error) error {
	err := do(w.reader, w.peer)
	if !errors.Is(err, errStale) {
		return err
	}
	stale := err
	peer, err := p.introduce(ctx, w.reader, ingest.ChannelID(w.peer.Channel), w.peer.Username)
	if errors.Is(err, ingest.ErrNotMember) || errors.Is(err, ingest.ErrUnknown) {
		return fmt.Errorf("%w: %w", ingest.ErrPrivate, stale)
	}
	if err != nil {
		return err
	}
	if err = do(w.reader, peer); errors.Is(err, errStale) {
		return fmt.Errorf("%w: %w", ingest.ErrPrivate, err)
	}
	return err
}

// ways sorts the accounts into those that have the channel's access hash and those that have not.
func (p *Pool) ways(readers []*reader, peers []account.Peer, method string) (ways []way, others []*reader) {
	for _, r := range readers {
		i := slices.IndexFunc(peers, func(peer account.Peer) bool { return peer.Account == r.id() })
		if i < 0 {
			others = append(others, r)
			continue
		}
		ways = append(ways, way{r, peers[i]})
	}
	slices.SortFunc(ways, func(a, b way) int { return p.compare(a.reader, b.reader, method) })
	slices.SortFunc(others, func(a, b *reader) int { return p.compare(a, b, methodResolve) })
	return ways, others
}

// compare puts the account first that has to wait less with a method.
func (p *Pool) compare(a, b *reader, method string) int {
	return cmp.Or(cmp.Compare(p.gate.Remaining(a.id(), method), p.gate.Remaining(b.id(), method)), cmp.Compare(a.id(), b.id()))
}

// usernameOf is the public name that leads to a channel: of an account that knows it, or of one that did and is gone. "" when there is none.
func (p *Pool) usernameOf(ctx context.Context, channel ingest.ChannelID, peers []account.Peer) (string, error) {
	for _, peer := range peers {
		if peer.Username != "" {
			return peer.Username, nil
		}
	}
	if len(peers) > 0 {
		return "", nil // it has none today
	}
	username, err := p.store.UsernameOf(ctx, int64(channel))
	if err != nil {
		return "", fmt.Errorf("look up the name of channel %d: %w", channel, err)
	}
	return username, nil
}

func toChannel(p account.Peer) ingest.Channel {
	return ingest.Channel{ID: ingest.ChannelID(p.Channel), Username: p.Username, Title: p.Title, Supergroup: p.Supergroup, Protected: p.Protected}
}
