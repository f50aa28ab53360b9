package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

// login logs the simulator's account in, unless an earlier demo on the same data directory did.
func (s *show) login(ctx context.Context) error {
	accounts := parserv1.NewAccountServiceClient(s.conn)
	known, err := accounts.ListAccounts(ctx, &parserv1.ListAccountsRequest{}, grpc.WaitForReady(true))
	if err != nil || len(known.GetAccounts()) > 0 {
		return err
	}
	account := s.sim.World().Accounts()[0]
	stream, err := accounts.StartLogin(ctx, &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: account.Phone}})
	if err != nil {
		return err
	}
	for {
		state, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return errors.New("the login ended early")
		case err != nil:
			return err
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_DONE:
			s.say("logged in as account %d", state.GetAccount().GetId())
			return nil
		case state.GetState() == parserv1.LoginState_LOGIN_STATE_CODE_NEEDED:
			if _, err := accounts.SubmitCode(ctx, &parserv1.SubmitCodeRequest{LoginId: state.GetLoginId(), Code: account.Code}); err != nil {
				return err
			}
		}
	}
}

func (s *show) follow(ctx context.Context) error {
	client := schedulerv1.NewChannelServiceClient(s.conn)
	for _, c := range s.sim.World().Summaries() {
		if _, err := client.AddChannel(ctx, &schedulerv1.AddChannelRequest{Ref: "@" + c.Username}); err != nil {
			return fmt.Errorf("@%s: %w", c.Username, err)
		}
	}
	s.say("following %d channels", channels)
	return nil
}

// backfill waits until nothing is missing, showing how it goes.
func (s *show) backfill(ctx context.Context) error {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	var lastSaid time.Time
	for {
		missing, err := s.missing(ctx)
		if err != nil {
			return err
		}
		if missing == 0 {
			return s.tellBackfill(ctx)
		}
		if time.Since(lastSaid) > time.Second {
			s.say("%d message ids to go", missing)
			lastSaid = time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// missing is how many ids of all channels are not covered yet.
func (s *show) missing(ctx context.Context) (missing int64, err error) {
	req := &watermarkv1.BatchGetWatermarksRequest{WithCoverage: true}
	all := s.sim.World().Summaries()
	tops := map[int64]int64{}
	for _, c := range all {
		req.ChannelIds, tops[c.ID] = append(req.ChannelIds, c.ID), int64(c.Last)
		missing += int64(c.Last)
	}
	resp, err := watermarkv1.NewWatermarkServiceClient(s.conn).BatchGetWatermarks(ctx, req)
	if err != nil {
		return 0, err
	}
	for i, w := range resp.GetWatermarks() {
		for _, r := range resp.GetCoverages()[i].GetRanges() {
			missing -= min(r.GetLast(), tops[w.GetChannelId()]) - r.GetFirst() + 1
		}
	}
	return missing, nil
}

func (s *show) tellBackfill(ctx context.Context) error {
	posts := 0
	for _, c := range s.sim.World().Summaries() {
		posts += c.Posts
	}
	took := time.Since(s.began)
	if err := s.awaitEvents(ctx, posts); err != nil {
		return err
	}
	s.say("all history is in: %d posts in Postgres, their events in Redis, %s after the start", posts, took.Round(100*time.Millisecond))
	return nil
}
