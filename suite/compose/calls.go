package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemark/tidemark/kit/auth"
)

// calls asks each service with grpcurl, as a person would: by reflection, without the contract at hand.
func (s *stack) calls(ctx context.Context) error {
	truth, err := s.truth(ctx)
	if err != nil {
		return err
	}
	channel := fmt.Sprintf(`{"channel_id": %d}`, truth[0].ID)
	for _, c := range []struct{ service, body, method, want string }{
		{"scheduler", "", "list", "tidemark.scheduler.v1.ChannelService"},
		{"parser", "", "list", "tidemark.parser.v1.ParserService"},
		{"watermark", "", "list", "tidemark.watermark.v1.WatermarkService"},
		{"scheduler", "{}", "grpc.health.v1.Health/Check", "SERVING"},
		{"parser", "{}", "grpc.health.v1.Health/Check", "SERVING"},
		{"watermark", "{}", "grpc.health.v1.Health/Check", "SERVING"},
		{"scheduler", "{}", "tidemark.scheduler.v1.SchedulerService/GetStatus", "lastTickAt"},
		{"scheduler", `{"page_size": 100}`, "tidemark.scheduler.v1.ChannelService/ListChannels", truth[9].Username},
		{"scheduler", channel, "tidemark.scheduler.v1.RunService/TriggerRun", "{"},
		{"parser", "{}", "tidemark.parser.v1.AccountService/ListAccounts", "ACCOUNT_STATE_ACTIVE"},
		{"parser", channel, "tidemark.parser.v1.PostService/ListPosts", "postedAt"},
		{"watermark", channel, "tidemark.watermark.v1.WatermarkService/GetCoverage", "coveredCount"},
		{"watermark", channel, "tidemark.watermark.v1.WatermarkService/GetWatermark", "headId"},
	} {
		out, err := s.curl(ctx, c.service, s.shows(), s.keys.tokens[auth.Operate], c.body, c.method)
		if err != nil {
			return fmt.Errorf("grpcurl %s %s: %w: %s", c.method, c.body, err, out)
		}
		if !strings.Contains(out, c.want) {
			return fmt.Errorf("grpcurl %s %s: want %q in %s", c.method, c.body, c.want, out)
		}
	}
	return nil
}
