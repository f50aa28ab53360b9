package telegram

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

const (
	methodPeerDialogs = "messages.getPeerDialogs"
	// defaultProbeBatch is how many channels are asked about at once. Telegram names no limit; clients have been seen with 100.
	defaultProbeBatch = 50
	// noBatchFor is how long a server that does not serve messages.getPeerDialogs is not asked for it again.
	noBatchFor = time.Hour
)

// Probe asks for the ends of many channels, in batches; a channel that a batch does not answer for is asked about by itself, so that a bad one
// hides no other. What is wrong with one channel is in its Probe.
func (p *Pool) Probe(ctx context.Context, channels []ingest.ChannelID) ([]ingest.Probe, error) {
	readers, err := p.usable(ctx)
	if err != nil {
		return nil, err
	}
	s := survey{pool: p, found: make(map[ingest.ChannelID]ingest.Probe, len(channels))}
	groups, err := s.group(ctx, readers, channels)
	if err != nil {
		return nil, err
	}
	for r, ways := range groups {
		for batch := range slices.Chunk(ways, p.cfg.ProbeBatch) {
			s.batch(ctx, r, batch)
		}
	}
	probes := make([]ingest.Probe, len(channels))
	for i, channel := range channels {
		if _, ok := s.found[channel]; !ok {
			s.single(ctx, channel)
		}
		probes[i] = s.found[channel]
		p.cache.sawTop(channel, probes[i].Top)
	}
	return probes, context.Cause(ctx)
}

// survey collects the answers about many channels.
type survey struct {
	pool  *Pool
	found map[ingest.ChannelID]ingest.Probe
	down  error // Telegram could not be reached: the rest is not asked
}

// group sorts channels by the account that asks about them. A channel that no account has an access hash for is in none.
func (s *survey) group(ctx context.Context, readers []*reader, channels []ingest.ChannelID) (map[*reader][]way, error) {
	groups := map[*reader][]way{}
	if s.pool.withoutBatches() {
		return groups, nil
	}
	for _, channel := range channels {
		peers, err := s.pool.cache.peers(ctx, channel)
		if err != nil {
			return nil, fmt.Errorf("look up channel %d: %w", channel, err)
		}
		if ways, _ := s.pool.ways(readers, peers, methodPeerDialogs); len(ways) > 0 {
			groups[ways[0].reader] = append(groups[ways[0].reader], ways[0])
		}
	}
	return groups, nil
}

// batch asks about many channels with one call. What stays unanswered is left to single.
func (s *survey) batch(ctx context.Context, r *reader, batch []way) {
	if s.down != nil || s.pool.withoutBatches() {
		return
	}
	in := &tg.MessagesGetPeerDialogsRequest{Peers: make([]tg.InputDialogPeerClass, len(batch))}
	for i, w := range batch {
		in.Peers[i] = &tg.InputDialogPeer{Peer: inputPeer(w.peer)}
	}
	answer, err := s.pool.call(ctx, r, in)
	if err == nil {
		err = s.take(answer)
	}
	var flood *ingest.FloodError
	switch {
	case errors.As(err, &flood), errors.Is(err, ingest.ErrSession):
		s.fail(batch, err)
	case errors.Is(err, ingest.ErrUnreachable), notServed(err):
		s.withoutBatch(ctx, batch[0], err)
	}
}

// take reads the dialogs at the head of the answer; the rest of it, messages foremost, is neither needed nor always decodable.
func (s *survey) take(answer body) error {
	buf := &bin.Buffer{Buf: answer}
	if err := buf.ConsumeID(tg.MessagesPeerDialogsTypeID); err != nil {
		return fmt.Errorf("decode dialogs: %w", err)
	}
	n, err := buf.VectorHeader()
	if err != nil {
		return fmt.Errorf("decode dialogs: %w", err)
	}
	for range n {
		decoded, err := tg.DecodeDialog(buf)
		if err != nil {
			return fmt.Errorf("decode dialog: %w", err)
		}
		d, ok := decoded.(*tg.Dialog)
		if !ok || d.TopMessage <= 0 { // an empty channel is asked about by itself
			continue
		}
		if peer := toPeer(d.Peer); peer.Kind == ingest.ChannelPeer {
			channel := ingest.ChannelID(peer.ID)
			s.found[channel] = ingest.Probe{Channel: channel, Top: ingest.MessageID(d.TopMessage), Pts: d.Pts}
		}
	}
	return nil
}

// withoutBatch finds out, with one channel by itself, whether Telegram is out of reach or only does not serve batches.
func (s *survey) withoutBatch(ctx context.Context, w way, err error) {
	channel := ingest.ChannelID(w.peer.Channel)
	s.single(ctx, channel)
	if probe := s.found[channel]; errors.Is(probe.Err, ingest.ErrUnreachable) {
		return
	}
	s.pool.log.WarnContext(ctx, "channels are probed one by one for a while", "method", methodPeerDialogs, "err", err)
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	s.pool.noBatch = s.pool.now().Add(noBatchFor)
}

func (p *Pool) withoutBatches() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now().Before(p.noBatch)
}

// notServed is true when the server knows no such method, or has trouble with it that does not come from one of the channels.
func notServed(err error) bool {
	rpc, ok := tgerr.As(err)
	return ok && (rpc.Code >= codeServer || rpc.IsCode(404) || strings.Contains(rpc.Message, "METHOD"))
}

func (s *survey) fail(batch []way, err error) {
	for _, w := range batch {
		channel := ingest.ChannelID(w.peer.Channel)
		s.found[channel] = ingest.Probe{Channel: channel, Err: err}
	}
}

// single asks for a channel's newest message.
func (s *survey) single(ctx context.Context, channel ingest.ChannelID) {
	probe := ingest.Probe{Channel: channel, Err: s.down}
	if s.down == nil {
		probe.Err = s.pool.withPeer(ctx, channel, methodHistory, func(r *reader, peer account.Peer) error {
			answer, err := s.pool.call(ctx, r, &tg.MessagesGetHistoryRequest{Peer: inputPeer(peer), Limit: 1})
			if err != nil {
				return err
			}
			entries, err := decodeMessages(channel, answer, maxID)
			for _, e := range entries {
				probe.Top = max(probe.Top, e.id)
			}
			return err
		})
	}
	if _, answered := tgerr.As(probe.Err); !answered && errors.Is(probe.Err, ingest.ErrUnreachable) {
		s.down = probe.Err
	}
	s.found[channel] = probe
}
