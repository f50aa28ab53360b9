// Package rpc is the wire of the parser: convert in, call the core, convert out.
package rpc

import (
	"context"
	"log/slog"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// ParserServer is tidemark.parser.v1.ParserService.
type ParserServer struct {
	parserv1.UnimplementedParserServiceServer
	source   ingest.Source
	ingester *ingest.Ingester
	log      *slog.Logger
	metrics  *Metrics
}

var _ parserv1.ParserServiceServer = (*ParserServer)(nil)

// NewParserServer makes a server that reads source itself where nothing is stored, and by the ingester where something is.
func NewParserServer(source ingest.Source, ingester *ingest.Ingester, log *slog.Logger, m *Metrics) *ParserServer {
	return &ParserServer{source: source, ingester: ingester, log: log, metrics: m}
}

// ResolveChannel turns a reference into a channel.
func (s *ParserServer) ResolveChannel(ctx context.Context, in *parserv1.ResolveChannelRequest) (*parserv1.ResolveChannelResponse, error) {
	ref, err := ingest.ParseRef(in.GetRef())
	if err != nil {
		return nil, toStatus(err)
	}
	channel, err := s.source.Resolve(ctx, ref)
	if err != nil {
		return nil, toStatus(err)
	}
	return &parserv1.ResolveChannelResponse{Channel: fromChannel(channel)}, nil
}

// ProbeChannels asks for the ends of channels; what goes wrong with one of them is its own outcome.
func (s *ParserServer) ProbeChannels(ctx context.Context, in *parserv1.ProbeChannelsRequest) (*parserv1.ProbeChannelsResponse, error) {
	channels, err := toChannelIDs(in.GetChannelIds())
	if err != nil || len(channels) == 0 {
		return &parserv1.ProbeChannelsResponse{}, err
	}
	probes, err := s.source.Probe(ctx, channels)
	if err != nil {
		return nil, toStatus(err)
	}
	out := &parserv1.ProbeChannelsResponse{Probes: make([]*parserv1.Probe, len(probes))}
	for i, p := range probes {
		if _, known := refused(p.Err); p.Err != nil && !known {
			s.log.ErrorContext(ctx, "probe", "channel", p.Channel, "stage", "probe", "err", p.Err)
		}
		out.Probes[i] = fromProbe(p)
	}
	return out, nil
}

// ParseChannel reads ranges of a channel, bounded.
func (s *ParserServer) ParseChannel(ctx context.Context, in *parserv1.ParseChannelRequest) (*parserv1.ParseChannelResponse, error) {
	request, err := toRequest(in)
	if err != nil {
		return nil, err
	}
	result, err := s.ingester.Parse(ctx, request)
	s.metrics.parsed(result)
	if err != nil {
		return nil, toStatus(err)
	}
	if result.Err != nil {
		s.log.WarnContext(ctx, "a read ended early", "channel", request.Channel, "run", request.RunToken, "err", result.Err)
	}
	return fromResult(result), nil
}
