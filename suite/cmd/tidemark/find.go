package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
)

// find is the followed channel that ref names: by id, -100 form, username, or link.
func find(channels []*schedulerv1.FollowedChannel, ref string) (*typev1.Channel, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(ref, "@"), "-100")
	if i := strings.Index(name, "t.me/"); i >= 0 {
		name, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimPrefix(name[i+len("t.me/"):], "s/"), "c/"), "/")
	}
	id, _ := strconv.ParseInt(name, 10, 64)
	for _, c := range channels {
		if ch := c.GetChannel(); ch.GetId() == id || ch.GetUsername() != "" && strings.EqualFold(ch.GetUsername(), name) {
			return ch, nil
		}
	}
	return nil, fmt.Errorf("%q is not followed: see `tidemark channel list`", ref)
}

func stateOf(ch *schedulerv1.FollowedChannel) string {
	state := strings.TrimPrefix(ch.GetState().String(), "CHANNEL_STATE_")
	if detail := ch.GetBlockedReason() + ch.GetPauseNote(); detail != "" {
		return state + " (" + detail + ")"
	}
	return state
}

// until says how far an instant is away.
func until(t time.Time, absent bool) string {
	if absent {
		return "-"
	}
	d := time.Until(t).Round(time.Second)
	if d <= 0 {
		return "now"
	}
	return "in " + d.String()
}

// ago says how long an instant is past.
func ago(t time.Time, absent bool) string {
	if absent {
		return "never"
	}
	return max(time.Since(t).Round(time.Second), 0).String() + " ago"
}
