package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// sizes are the message ids of each channel at the start: some at the edges of a page, the others from tiny to a third of all.
func sizes(seed uint64, total int) []int {
	r := rand.New(rand.NewPCG(seed, 1))
	all := []int{1, 2, 99, 100, 101, 199, 201, 350}
	for _, n := range all {
		total -= n
	}
	weights, sum := make([]float64, 12), 0.0
	for i := range weights {
		weights[i] = 1 / float64(i+2)
		sum += weights[i]
	}
	for _, w := range weights {
		all = append(all, max(1, int(w/sum*float64(total))))
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// channel is what the driver knows of a channel.
type channel struct {
	id       int64
	username string
	first    int64 // its highest id when it was followed
	followed bool
	troubled time.Time // until when it is private or poisoned
}

// driver makes Telegram live: it posts, edits and deletes in all channels while everything else breaks.
type driver struct {
	stage *stage
	audit *auditor
	rand  *rand.Rand

	mu       sync.Mutex
	channels []*channel
	did      map[string]int
}

func newDriver(s *stage, a *auditor, all []world.Summary) *driver {
	d := &driver{stage: s, audit: a, rand: rand.New(rand.NewPCG(s.seed, 2)), did: map[string]int{}}
	for _, c := range all {
		d.channels = append(d.channels, &channel{id: c.ID, username: c.Username, first: int64(c.Top)})
	}
	return d
}

// well is a channel that is followed, whole and readable; 0 when there is none.
func (d *driver) well(pick *rand.Rand) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ids []int64
	for _, c := range d.channels {
		if c.followed && time.Now().After(c.troubled) && d.audit.complete(c.id, c.first) {
			ids = append(ids, c.id)
		}
	}
	if len(ids) == 0 {
		return 0
	}
	return ids[pick.IntN(len(ids))]
}

// run changes something several times a second until ctx ends.
func (d *driver) run(ctx context.Context) {
	for wait(ctx, time.Duration(100+d.rand.IntN(400))*time.Millisecond) {
		d.mu.Lock()
		c := d.channels[d.rand.IntN(len(d.channels))]
		calm := time.Now().After(c.troubled)
		d.mu.Unlock()
		what, err := d.change(ctx, c, calm)
		if err == nil {
			d.mu.Lock()
			d.did[what]++
			d.mu.Unlock()
		}
	}
}

func (d *driver) change(ctx context.Context, c *channel, calm bool) (what string, err error) {
	t, ref := d.stage.telegram, strconv.FormatInt(c.id, 10)
	switch n := d.rand.IntN(1000); {
	case n < 480:
		_, err = t.post(ctx, c.id, "")
		return "post", err
	case n < 600:
		_, _, err = t.grow(ctx, c.id, 2+d.rand.IntN(14)) // albums, service messages, gaps
		return "burst", err
	case n < 640:
		_, _, err = t.grow(ctx, c.id, 90+d.rand.IntN(130)) // over the edges of pages
		return "big burst", err
	case n < 660 && calm:
		return "poison", d.poison(ctx, c)
	case n < 672 && calm && c.followed:
		return "private", d.private(ctx, c)
	case n < 830:
		return "edit", d.edit(ctx, c, ref)
	case n < 980:
		return "delete", d.remove(ctx, c, ref)
	case n < 984:
		return "clear", t.do(ctx, "/clear", order{Channel: ref})
	}
	return "post", nil
}

// poison makes some messages unreadable, and lifts it later with all others of Telegram's troubles.
func (d *driver) poison(ctx context.Context, c *channel) error {
	first, last, err := d.stage.telegram.grow(ctx, c.id, 3)
	if err != nil {
		return err
	}
	d.trouble(c, 15*time.Second)
	return d.stage.telegram.fault(ctx, trouble{Kind: "poison", Channel: c.id, IDs: []int{int(first + d.rand.Int64N(last-first+1))}})
}

// private takes a channel away for some seconds; then it is public again, and looked at because its reader asks for it.
func (d *driver) private(ctx context.Context, c *channel) error {
	ref := strconv.FormatInt(c.id, 10)
	if err := d.stage.telegram.do(ctx, "/private", order{Channel: ref}); err != nil {
		return err
	}
	length := time.Duration(2+d.rand.IntN(6)) * time.Second
	d.trouble(c, length+20*time.Second)
	time.AfterFunc(length, func() {
		_ = d.stage.telegram.do(context.WithoutCancel(ctx), "/rename", order{Channel: ref, Username: c.username})
	})
	return nil
}

func (d *driver) trouble(c *channel, length time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.troubled = time.Now().Add(length)
}

// old picks an id: mostly of the newest, sometimes of any.
func (d *driver) old(ctx context.Context, c *channel) (int64, error) {
	all, err := d.stage.telegram.posts(ctx, c.id, 1, 1<<31-1)
	if err != nil || len(all) == 0 {
		return 0, fmt.Errorf("channel %d has no posts: %w", c.id, err)
	}
	if d.rand.IntN(5) == 0 {
		return all[d.rand.IntN(len(all))], nil
	}
	return all[len(all)-1-d.rand.IntN(min(len(all), 30))], nil
}

func (d *driver) edit(ctx context.Context, c *channel, ref string) error {
	id, err := d.old(ctx, c)
	if err != nil {
		return err
	}
	return d.stage.telegram.do(ctx, "/edit", order{Channel: ref, ID: int(id), Text: fmt.Sprintf("edited %x: ещё раз 🌊", d.rand.Uint32())})
}

func (d *driver) remove(ctx context.Context, c *channel, ref string) error {
	id, err := d.old(ctx, c)
	if err != nil {
		return err
	}
	return d.stage.telegram.do(ctx, "/delete", order{Channel: ref, IDs: []int{int(id), int(id) + 1, int(id) + 2}[:1+d.rand.IntN(3)]})
}

func (d *driver) follows(c *channel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.followed = true
}
