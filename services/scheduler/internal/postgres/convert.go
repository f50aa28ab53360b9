package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tidemark/tidemark/services/scheduler/internal/plan"
	"github.com/tidemark/tidemark/services/scheduler/internal/postgres/db"
)

func toChannel(r db.SchedulerChannel) plan.Channel {
	return plan.Channel{
		ID: plan.ChannelID(r.ChannelID), Username: r.Username, Title: r.Title, Supergroup: r.Supergroup, Protected: r.Protected,
		State: plan.State(r.State), Reason: r.Reason, Note: r.Note, Interval: time.Duration(r.IntervalMs) * time.Millisecond,
		Horizon:   plan.Horizon{Age: time.Duration(r.HorizonMs) * time.Millisecond, Messages: r.HorizonMessages},
		NextRunAt: instant(r.NextRunAt), CheckedAt: instant(r.CheckedAt), AdvancedAt: instant(r.AdvancedAt), Failures: int(r.Failures), CreatedAt: r.CreatedAt,
		Pts: r.Pts, PtsTop: r.PtsTop,
	}
}

func toChannels(rows []db.SchedulerChannel) []plan.Channel {
	channels := make([]plan.Channel, len(rows))
	for i, r := range rows {
		channels[i] = toChannel(r)
	}
	return channels
}

func toRun(r db.SchedulerRun) plan.Run {
	return plan.Run{
		ID: plan.RunID(r.RunID), Channel: plan.ChannelID(r.ChannelID), Mode: plan.Mode(r.Mode), Outcome: plan.Outcome(r.Outcome),
		StartedAt: r.StartedAt, FinishedAt: instant(r.FinishedAt), New: int(r.PostsNew), Changed: int(r.PostsChanged), Messages: int(r.MessagesRead),
		Pages: int(r.PagesRead), Covered: r.IdsCovered, Reason: r.Reason, Message: r.Message, Stage: r.Stage, ResumeAt: instant(r.ResumeAt), Sequence: r.Ended.Int64,
	}
}

func toRuns(rows []db.SchedulerRun) []plan.Run {
	runs := make([]plan.Run, len(rows))
	for i, r := range rows {
		runs[i] = toRun(r)
	}
	return runs
}

func endParams(r plan.Run, sequence int64) db.EndRunParams {
	return db.EndRunParams{
		RunID: int64(r.ID), Outcome: string(r.Outcome), FinishedAt: present(r.FinishedAt), PostsNew: int32(r.New), PostsChanged: int32(r.Changed),
		MessagesRead: int32(r.Messages), PagesRead: int32(r.Pages), IdsCovered: r.Covered, Reason: r.Reason, Message: r.Message, Stage: r.Stage,
		ResumeAt: present(r.ResumeAt), Ended: number(sequence),
	}
}

func settleParams(next []plan.Next) (p db.SettleChannelsParams) {
	for _, n := range next {
		p.ChannelIds = append(p.ChannelIds, int64(n.Channel))
		p.States = append(p.States, string(n.State))
		p.Reasons = append(p.Reasons, n.Reason)
		p.Failures = append(p.Failures, int32(n.Failures))
		p.NextRunAts = append(p.NextRunAts, n.At)
		p.CheckedAts = append(p.CheckedAts, n.Checked) // the zero Time stands for none
	}
	return p
}

func rereadParams(next plan.Next) (p []db.SaveRereadParams) {
	for _, r := range next.Rereads {
		p = append(p, db.SaveRereadParams{
			ChannelID: int64(next.Channel), Rung: int32(r.Rung), AfterID: r.After, TargetID: r.Target, DueAt: r.Due, Version: r.Version,
		})
	}
	return p
}

func instant(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func present(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func number(n int64) pgtype.Int8 { return pgtype.Int8{Int64: n, Valid: true} }
