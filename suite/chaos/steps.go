package main

import "regexp"

// step is a place in the way of one message where a process may die: at a statement that it is about to send, or whose answer has not reached it.
type step struct {
	name    string
	service string // whose process dies
	redis   bool   // the statement goes to Redis, not to Postgres
	match   string
	prior   string // what the same connection asked for before
	after   bool   // at the answer
	reply   string // with after: what the answer holds
}

// steps are between and inside the steps 1 to 8 of the way of one message (ARCHITECTURE.md).
var steps = []step{
	{name: "1 due channels are taken, nobody knows yet", service: "scheduler", match: `name: DueChannels`, after: true},
	{name: "3 what was decided is about to be settled", service: "scheduler", match: `name: SettleChannels`},
	{name: "3 a job is queued, not committed", service: "scheduler", match: `INSERT INTO .*river_job`, after: true},
	{name: "4 a worker claimed its channel", service: "scheduler", match: `name: ClaimChannel`, after: true},
	{name: "4 a run began", service: "scheduler", match: `name: BeginRun`, after: true},
	{name: "5 a page is fetched, its transaction not begun", service: "parser", match: `pg_advisory_xact_lock`},
	{name: "5 inside a page's transaction, nothing written", service: "parser", match: `pg_advisory_xact_lock`, after: true},
	{name: "5 inside a page's transaction, before its posts", service: "parser", match: `COPY parser.posts`},
	{name: "5 inside a page's transaction, before its events", service: "parser", match: `INSERT INTO parser.events`},
	{name: "5 a page is committed, the parser does not know", service: "parser", match: `^COMMIT$`, after: true, reply: "COMMIT\x00"},
	{name: "6 an event is about to be sent", service: "parser", redis: true, match: `XADD`},
	{name: "6 events are in Redis, not marked as sent", service: "parser", redis: true, match: `XADD`, after: true},
	{name: "6 events are about to be marked as sent", service: "parser", match: `UPDATE parser.relay`},
	{name: "6 events are marked as sent, the relay does not know", service: "parser", match: `UPDATE parser.relay`, after: true},
	{name: "7 the mark is about to be locked", service: "watermark", match: `name: LockMarks`},
	{name: "7 inside the mark's transaction", service: "watermark", match: `name: SaveMark`},
	{name: "7 the mark is saved, not committed", service: "watermark", match: `^commit$`, prior: `name: SaveMark`},
	{name: "7 the mark is advanced, the scheduler does not know", service: "watermark", match: `^commit$`, prior: `name: SaveMark`, after: true},
	{name: "8 a run's end is about to be recorded", service: "scheduler", match: `name: EndRun`},
	{name: "8 a run's end is recorded", service: "scheduler", match: `name: EndRun`, after: true},
	{name: "8 a claim is about to be released", service: "scheduler", match: `name: ReleaseClaim`},
	{name: "8 a claim is released", service: "scheduler", match: `name: ReleaseClaim`, after: true},
}

// breakpoint is the step as one; the scheduler dies instead of a watermark or parser when other is set: who asked, not who answers.
func (s step) breakpoint(skip int, do func()) *breakpoint {
	b := &breakpoint{match: regexp.MustCompile(s.match), after: s.after, reply: []byte(s.reply), skip: skip, do: do, cut: true}
	if s.prior != "" {
		b.prior = regexp.MustCompile(s.prior)
	}
	return b
}

func (s step) link(p *process) *link {
	if s.redis {
		return p.redis
	}
	return p.postgres
}

// storeSteps are those where the store dies, instead of the process.
func storeSteps(redis bool) (some []step) {
	for _, s := range steps {
		if s.redis == redis {
			some = append(some, s)
		}
	}
	return some
}
