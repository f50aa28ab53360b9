// Package rpc is the wire of the scheduler: convert in, call the core or its store, convert out.
package rpc

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
)

// ChannelStore is what this room needs of the store for channels.
type ChannelStore interface {
	Add(ctx context.Context, c plan.Channel, now time.Time) (plan.Channel, bool, error)
	Channel(ctx context.Context, id plan.ChannelID) (plan.Channel, error)
	Channels(ctx context.Context, state plan.State, after plan.ChannelID, limit int) ([]plan.Channel, error)
	Update(ctx context.Context, id plan.ChannelID, interval *time.Duration, horizon *plan.Horizon, now time.Time) (plan.Channel, error)
	Pause(ctx context.Context, id plan.ChannelID, note string) (plan.Channel, error)
	Resume(ctx context.Context, id plan.ChannelID, now time.Time) (plan.Channel, error)
	Remove(ctx context.Context, id plan.ChannelID, now time.Time) error
}

// Channels serves ChannelService.
type Channels struct {
	schedulerv1.UnimplementedChannelServiceServer
	Store    ChannelStore
	Parser   plan.Parser
	Interval time.Duration // of a channel that is added without one
	Now      func() time.Time
	Wake     func() // makes the next tick come at once
}

// AddChannel resolves a reference and follows it.
func (s *Channels) AddChannel(ctx context.Context, r *schedulerv1.AddChannelRequest) (*schedulerv1.AddChannelResponse, error) {
	interval, err := toInterval(r.GetInterval())
	if err != nil {
		return nil, toStatus(err, "")
	}
	horizon, err := toHorizon(r.GetHorizon())
	if err != nil {
		return nil, toStatus(err, "")
	}
	c, err := s.Parser.Resolve(ctx, r.GetRef())
	if err != nil {
		return nil, toStatus(err, "")
	}
	if c.Interval, c.Horizon = interval, horizon; interval == 0 {
		c.Interval = s.Interval
	}
	stored, added, err := s.Store.Add(ctx, c, s.Now())
	if err != nil {
		return nil, toStatus(err, notFollowed(c.ID))
	}
	s.Wake()
	return &schedulerv1.AddChannelResponse{Channel: fromChannel(stored), Added: added}, nil
}

// GetChannel answers one.
func (s *Channels) GetChannel(ctx context.Context, r *schedulerv1.GetChannelRequest) (*schedulerv1.GetChannelResponse, error) {
	c, err := s.one(r.GetChannelId(), func(id plan.ChannelID) (plan.Channel, error) { return s.Store.Channel(ctx, id) })
	return &schedulerv1.GetChannelResponse{Channel: c}, err
}

// ListChannels answers a page.
func (s *Channels) ListChannels(ctx context.Context, r *schedulerv1.ListChannelsRequest) (*schedulerv1.ListChannelsResponse, error) {
	size, err := rpc.PageSize(r.GetPageSize())
	if err != nil {
		return nil, err
	}
	var after plan.ChannelID
	if err := rpc.ReadPageToken(r, &after); err != nil {
		return nil, err
	}
	state, err := keyOf("state", channelStates, r.GetState())
	if err != nil {
		return nil, toStatus(err, "")
	}
	channels, err := s.Store.Channels(ctx, state, after, size+1)
	if err != nil {
		return nil, toStatus(err, "")
	}
	resp := &schedulerv1.ListChannelsResponse{}
	for _, c := range channels[:min(size, len(channels))] {
		resp.Channels = append(resp.Channels, fromChannel(c))
	}
	if len(channels) > size {
		resp.NextPageToken = rpc.PageToken(r, channels[size-1].ID)
	}
	return resp, nil
}

// UpdateChannel changes what the mask names.
func (s *Channels) UpdateChannel(ctx context.Context, r *schedulerv1.UpdateChannelRequest) (*schedulerv1.UpdateChannelResponse, error) {
	interval, horizon, err := toChange(r)
	if err != nil {
		return nil, toStatus(err, "")
	}
	c, err := s.one(r.GetChannelId(), func(id plan.ChannelID) (plan.Channel, error) {
		return s.Store.Update(ctx, id, interval, horizon, s.Now())
	})
	return &schedulerv1.UpdateChannelResponse{Channel: c}, err
}

func toChange(r *schedulerv1.UpdateChannelRequest) (interval *time.Duration, horizon *plan.Horizon, err error) {
	if len(r.GetUpdateMask().GetPaths()) == 0 {
		return nil, nil, &plan.FieldError{Field: "update_mask", Problem: `is required: name "interval", "horizon" or both`}
	}
	for _, path := range r.GetUpdateMask().GetPaths() {
		switch path {
		case "interval":
			i, err := toInterval(r.GetInterval())
			if err == nil && i == 0 {
				err = &plan.FieldError{Field: "interval", Problem: "is required when update_mask names it"}
			}
			if err != nil {
				return nil, nil, err
			}
			interval = &i
		case "horizon":
			h, err := toHorizon(r.GetHorizon())
			if err != nil {
				return nil, nil, err
			}
			horizon = &h
		default:
			return nil, nil, &plan.FieldError{Field: "update_mask", Problem: fmt.Sprintf(`%q cannot be changed: name "interval" or "horizon"`, path)}
		}
	}
	return interval, horizon, nil
}

// PauseChannel stops looking.
func (s *Channels) PauseChannel(ctx context.Context, r *schedulerv1.PauseChannelRequest) (*schedulerv1.PauseChannelResponse, error) {
	if utf8.RuneCountInString(r.GetNote()) > maxNote {
		return nil, rpc.InvalidField("note", fmt.Sprintf("is longer than %d characters", maxNote))
	}
	if strings.ContainsRune(r.GetNote(), 0) {
		return nil, rpc.InvalidField("note", "holds a NUL, which no table can")
	}
	c, err := s.one(r.GetChannelId(), func(id plan.ChannelID) (plan.Channel, error) { return s.Store.Pause(ctx, id, r.GetNote()) })
	return &schedulerv1.PauseChannelResponse{Channel: c}, err
}

// ResumeChannel looks again, at once.
func (s *Channels) ResumeChannel(ctx context.Context, r *schedulerv1.ResumeChannelRequest) (*schedulerv1.ResumeChannelResponse, error) {
	c, err := s.one(r.GetChannelId(), func(id plan.ChannelID) (plan.Channel, error) { return s.Store.Resume(ctx, id, s.Now()) })
	s.Wake()
	return &schedulerv1.ResumeChannelResponse{Channel: c}, err
}

// RemoveChannel stops following.
func (s *Channels) RemoveChannel(ctx context.Context, r *schedulerv1.RemoveChannelRequest) (*schedulerv1.RemoveChannelResponse, error) {
	_, err := s.one(r.GetChannelId(), func(id plan.ChannelID) (plan.Channel, error) { return plan.Channel{}, s.Store.Remove(ctx, id, s.Now()) })
	return &schedulerv1.RemoveChannelResponse{}, err
}

// one does something with one channel.
func (s *Channels) one(wire int64, fn func(plan.ChannelID) (plan.Channel, error)) (*schedulerv1.FollowedChannel, error) {
	id, err := toID(wire)
	if err != nil {
		return nil, toStatus(err, "")
	}
	c, err := fn(id)
	if err != nil {
		return nil, toStatus(err, notFollowed(id))
	}
	return fromChannel(c), nil
}
