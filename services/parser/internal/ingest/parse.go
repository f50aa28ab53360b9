package ingest

import (
	"context"
	"errors"
	"time"
)

// Request is one bounded task of reading.
type Request struct {
	Channel      ChannelID
	Dir          Direction
	Ranges       []Range   // read in this order
	MaxPages     int       // at least 1
	HorizonSince time.Time // Down only: stop below the first page with a message older than this; zero reads down to id 1
	RunToken     int64     // of the run, for logs
	KnownTop     MessageID // ids up to here are known to have existed; 0 when nothing is known
	Again        bool      // all of this was read before, see Page.Again
}

// Next is what a bounded read leaves to do.
type Next int

// Done: all ranges are covered. More: call again with what is left. Wait: Telegram asks to.
const (
	Done Next = iota + 1
	More
	Wait
)

// Result is what a read did.
type Result struct {
	Covered    []Range // committed and proved, normalized
	Next       Next
	RetryAfter time.Duration // with Wait
	WaitReason string        // with Wait

	New, Changed, Deleted, Quarantined int
	Struck                             int // failed for the first time: to be read again
	Messages, Pages                    int

	// Err is what ended a read that had covered something: it is for the log, the next call will meet it again.
	Err error

	HeadAt time.Time // when the newest message read was published; zero when there was none
	Floor  MessageID // lowest id of the task when the bottom was reached, else 0
	Top    MessageID // highest id seen
}

// FloodWait is the reason of a Wait.
const FloodWait = "FLOOD_WAIT"

// Ingester reads channels into a store.
type Ingester struct {
	source Source
	store  Store
	now    func() time.Time
}

// New makes an ingester.
func New(source Source, store Store, now func() time.Time) *Ingester {
	return &Ingester{source: source, store: store, now: now}
}

// reply leaves time to commit the last page and to answer before the caller's own deadline: a quarter of what there is, a second at most.
const reply = time.Second

// Parse reads ranges in the order given, at most MaxPages pages and until shortly before ctx's deadline. While a page is committed, the next one is
// fetched. What was committed is answered whatever happens after: an error comes alone, when nothing was.
func (i *Ingester) Parse(ctx context.Context, r Request) (Result, error) {
	i.source.Known(r.Channel, r.KnownTop)
	reading, stop := i.withReply(ctx)
	defer stop()
	w := &walk{dir: r.Dir, horizon: r.HorizonSince, left: append([]Range(nil), r.Ranges...)}
	pages, ended := make(chan Page), make(chan error, 1)
	go func() {
		ended <- i.fetch(reading, r, w, pages)
		close(pages)
	}()
	var result Result
	var saveErr error
	for page := range pages {
		if saveErr != nil {
			continue // the fetcher is being stopped
		}
		if saveErr = i.save(ctx, r.Channel, page, &result); saveErr != nil {
			stop()
		}
	}
	err := at("read", <-ended)
	if saveErr != nil {
		err = at("save", saveErr)
	}
	return result.ended(ctx, err, w.floor)
}

// withReply ends a little before ctx does.
func (i *Ingester) withReply(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(reply, deadline.Sub(i.now())/4)))
}

// errMore ends fetching when there is more to fetch.
var errMore = errors.New("more to read")

// fetch asks for page after page and hands each over; nil when all is proved.
func (i *Ingester) fetch(ctx context.Context, r Request, w *walk, pages chan<- Page) error {
	for range r.MaxPages {
		within, more := w.next()
		if !more {
			return nil
		}
		asked := i.now()
		page, err := i.source.Page(ctx, r.Channel, within, r.Dir)
		if err != nil {
			return err
		}
		page.ReadAt, page.Again = asked, r.Again
		if err := w.take(&page); err != nil {
			return err
		}
		select {
		case pages <- page:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if _, more := w.next(); more {
		return errMore
	}
	return nil
}

func (i *Ingester) save(ctx context.Context, channel ChannelID, p Page, r *Result) error {
	saved, err := i.store.SavePage(ctx, channel, p, i.now())
	if err != nil {
		return err
	}
	r.Covered = append(r.Covered, p.Covered.without(saved.Struck)...)
	r.Struck += len(saved.Struck)
	r.New += saved.New
	r.Changed += saved.Changed
	r.Deleted += saved.Deleted
	r.Quarantined += saved.Quarantined
	r.Messages += p.Messages
	r.Pages++
	r.Top = max(r.Top, p.Top)
	if p.Newest.After(r.HeadAt) {
		r.HeadAt = p.Newest
	}
	return nil
}

// ended judges why reading ended.
func (r Result) ended(ctx context.Context, err error, floor MessageID) (Result, error) {
	r.Covered = Normalize(r.Covered)
	if len(r.Covered) > 0 && r.Covered[0].First == 1 {
		r.Floor = 1
	}
	var flood *FloodError
	switch {
	case err == nil && r.Struck > 0:
		r.Next, r.Floor = More, max(r.Floor, floor)
	case err == nil:
		r.Next, r.Floor = Done, max(r.Floor, floor)
	case errors.As(err, &flood):
		r.Next, r.RetryAfter, r.WaitReason = Wait, flood.Wait, FloodWait
	case errors.Is(err, errMore):
		r.Next = More
	case len(r.Covered) > 0 && ctx.Err() == nil:
		if r.Next = More; !errors.Is(err, context.DeadlineExceeded) {
			r.Err = err
		}
	default:
		return Result{}, err
	}
	return r, nil
}
