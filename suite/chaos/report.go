package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tidemark/tidemark/suite/truth"
)

// report is what one seed came to.
type report struct {
	script script

	post                        truth.Verdict
	event                       truth.Outcome
	repeated, read              int
	aheadDuring, aheadAfter     int
	looks, holes, messages      int
	faults, steps, skipped, did map[string]int
	took, longest               time.Duration
	recovery                    map[string][]time.Duration // by kind, of those that no flood held up
	flooded, lost, gone         int
	slow                        []string   // recoveries that took long, whatever for
	mu                          sync.Mutex // guards problems
	problems                    []string
	starts                      map[string]int
}

func newReport(s script) *report {
	return &report{script: s, faults: map[string]int{}, steps: map[string]int{}, skipped: map[string]int{}, recovery: map[string][]time.Duration{}, starts: map[string]int{}}
}

func (r *report) count(kind string) { r.faults[kind]++ }

func (r *report) blame(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

func (r *report) posts(channel int64, v truth.Verdict) {
	r.post.Expected += v.Expected
	r.post.Present += v.Present
	r.post.Missing, r.post.Different = append(r.post.Missing, v.Missing...), append(r.post.Different, v.Different...)
	if len(v.Missing) > 0 {
		r.blame("channel %d: %d posts are missing: %s", channel, len(v.Missing), ranges(v.Missing))
	}
	if n := len(v.Different); n > 0 {
		r.blame("channel %d: %d posts differ: %s", channel, n, strings.Join(v.Why[:min(n, 5)], "; "))
	}
}

func (r *report) events(channel int64, o truth.Outcome) {
	r.event.Expected += o.Expected
	r.event.Present += o.Present
	r.event.Disorder += o.Disorder
	r.event.Missing = append(r.event.Missing, o.Missing...)
	r.event.Lost = append(r.event.Lost, o.Lost...)
	if n := len(o.Missing); n > 0 {
		r.blame("channel %d: %d events are missing: %s", channel, n, strings.Join(o.Missing[:min(n, 5)], ", "))
	}
	if n := len(o.Lost); n > 0 {
		r.blame("channel %d: %d events were wiped unread and never sent again: %s", channel, n, strings.Join(o.Lost[:min(n, 5)], ", "))
	}
	if o.Disorder > 0 {
		r.blame("channel %d: %d events came out of order", channel, o.Disorder)
	}
}

// slowFrom is what is worth a line of its own.
const slowFrom = 12 * time.Second

// finish takes what was counted elsewhere.
func (r *report) finish(h *show) {
	h.eyes.mu.Lock()
	r.repeated, r.read = h.eyes.repeated, h.eyes.read
	h.eyes.mu.Unlock()
	r.aheadDuring, r.aheadAfter = h.audit.count(), 0
	h.audit.Lock()
	r.looks = h.audit.looks
	for channel, ids := range h.audit.ahead {
		r.blame("channel %d: the mark was ahead of the data: %s", channel, ranges(slices.Collect(maps.Keys(ids))))
	}
	h.audit.Unlock()
	r.holes = len(h.open(h.ctx))
	r.did = h.world.did
	h.canaries.mu.Lock()
	defer h.canaries.mu.Unlock()
	r.gone = h.canaries.deleted
	for _, one := range h.canaries.all {
		if one.took > slowFrom && !one.flooded {
			r.slow = append(r.slow, one.String())
		}
		switch {
		case one.took == 0:
			r.lost++
			r.blame("channel %d: message %d, posted after %q, never arrived", one.channel, one.id, one.kind)
		case one.flooded:
			r.flooded++
		default:
			r.recovery[one.kind] = append(r.recovery[one.kind], one.took)
		}
	}
	for _, p := range h.processes {
		r.starts[p.name] = p.starts
	}
	if m := median(r.kills()); m >= 10*time.Second {
		r.blame("median recovery after a SIGKILL is %s, must be under 10 s", m.Round(10*time.Millisecond))
	}
}

// kills are the recoveries after a process was killed.
func (r *report) kills() (all []time.Duration) {
	return append(slices.Clone(r.recovery["kill"]), r.recovery["kill in step"]...)
}

func (r *report) green() bool { return len(r.problems) == 0 }

func (r *report) total() (n int) {
	for _, count := range r.faults {
		n += count
	}
	return n
}

func (r *report) faultsInShort() string {
	missed := 0
	for _, n := range r.skipped {
		missed += n
	}
	return fmt.Sprintf("%d faults, %d not made", r.total(), missed)
}

func median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

// command plays the same again.
func (r *report) command() string {
	c := fmt.Sprintf("make chaos SEED=%d ARGS='--shape %s", r.script.seed, r.script.shape())
	if r.script.Short {
		c += " --short"
	}
	if r.script.Only != "" {
		c += fmt.Sprintf(" --only %q", r.script.Only)
	}
	return c + fmt.Sprintf(" --faults %d --messages %d'", r.script.Faults, r.script.Messages)
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	row("\nseed %d, %s\t%d messages in %d channels\t%d faults\t%s", r.script.seed, r.script.shape(), r.messages, len(r.script.sizes), r.total(), r.took.Round(time.Second))
	row("\texpected\tpresent\tmissing\tdifferent")
	row("posts\t%d\t%d\t%d\t%d", r.post.Expected, r.post.Present, len(r.post.Missing), len(r.post.Different))
	row("\texpected\tpresent\tmissing\trepeated\tout of order\twiped unread")
	row("events\t%d\t%d\t%d\t%d\t%d\t%d", r.event.Expected, r.event.Present, len(r.event.Missing), r.repeated, r.event.Disorder, len(r.event.Lost))
	row("marks ahead of the data\t%d\tin %d looks", r.aheadDuring, r.looks)
	row("channels with holes\t%d", r.holes)
	row("\ntime to recover\tfaults\tmedian\tworst\tmeasured")
	for _, kind := range slices.Sorted(maps.Keys(r.faults)) {
		all := r.recovery[kind]
		if len(all) == 0 {
			row("%s\t%d\t-\t-\t0", kind, r.faults[kind])
			continue
		}
		row("%s\t%d\t%s\t%s\t%d", kind, r.faults[kind], short(median(all)), short(slices.Max(all)), len(all))
	}
	if all := r.kills(); len(all) > 0 {
		row("every SIGKILL of a process\t\t%s\t%s\t%d", short(median(all)), short(slices.Max(all)), len(all))
	}
	_ = w.Flush()
	_, _ = fmt.Fprintf(out, "\n%d recoveries waited for Telegram and do not count; the longest flood wait was %s\n", r.flooded, short(r.longest))
	if r.gone > 0 {
		_, _ = fmt.Fprintf(out, "%d posts that were to show a recovery were deleted in Telegram before they were read\n", r.gone)
	}
	if len(r.slow) > 0 {
		_, _ = fmt.Fprintf(out, "slow: %s\n", strings.Join(r.slow, "; "))
	}
	r.list(out, "starts", r.starts)
	r.list(out, "Telegram's life", r.did)
	r.list(out, "not made", r.skipped)
	for _, p := range r.problems {
		_, _ = fmt.Fprintf(out, "VIOLATION: %s\n", p)
	}
	if verdict := "GREEN"; r.green() {
		_, _ = fmt.Fprintf(out, "%s   %s\n", verdict, r.command())
	} else {
		_, _ = fmt.Fprintf(out, "RED   %s\n", r.command())
	}
}

func (r *report) list(out io.Writer, title string, counts map[string]int) {
	if len(counts) == 0 {
		return
	}
	parts := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	_, _ = fmt.Fprintf(out, "%s: %s\n", title, strings.Join(parts, ", "))
}

func short(d time.Duration) string { return d.Round(10 * time.Millisecond).String() }

// summary is one line for each seed.
func summary(out io.Writer, all []*report) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "\nseed\tshape\tfaults\tmessages\tmissing\tdifferent\tevents missing\trepeated\tout of order\tmarks ahead\tholes\tSIGKILL median\tworst\ttook\t\t")
	for _, r := range all {
		word := "GREEN"
		if !r.green() {
			word = "RED"
		}
		kills := append(r.kills(), 0)
		_, _ = fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t\n", r.script.seed, r.script.shape(), r.total(), r.messages, len(r.post.Missing),
			len(r.post.Different), len(r.event.Missing), r.repeated, r.event.Disorder, r.aheadDuring, r.holes, short(median(r.kills())), short(slices.Max(kills)), r.took.Round(time.Second), word)
	}
	_ = w.Flush()
}
