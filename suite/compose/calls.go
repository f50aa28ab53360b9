package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// calls asks each service with grpcurl, as a person would: by reflection, without the contract at hand.
func (s *stack) calls(ctx context.Context) error {
	truth, err := s.truth(ctx)
	if err != nil {
		return err
	}
	channel := fmt.Sprintf(`{"channel_id": %d}`, truth[0].ID)
	for _, c := range []struct{ service, port, body, method, want string }{
		{"scheduler", "8010", "", "list", "tidemark.scheduler.v1.ChannelService"},
		{"parser", "8020", "", "list", "tidemark.parser.v1.ParserService"},
		{"watermark", "8030", "", "list", "tidemark.watermark.v1.WatermarkService"},
		{"scheduler", "8010", "{}", "grpc.health.v1.Health/Check", "SERVING"},
		{"parser", "8020", "{}", "grpc.health.v1.Health/Check", "SERVING"},
		{"watermark", "8030", "{}", "grpc.health.v1.Health/Check", "SERVING"},
		{"scheduler", "8010", "{}", "tidemark.scheduler.v1.SchedulerService/GetStatus", "lastTickAt"},
		{"scheduler", "8010", `{"page_size": 100}`, "tidemark.scheduler.v1.ChannelService/ListChannels", truth[9].Username},
		{"scheduler", "8010", channel, "tidemark.scheduler.v1.RunService/TriggerRun", "queued"},
		{"parser", "8020", "{}", "tidemark.parser.v1.AccountService/ListAccounts", "ACCOUNT_STATE_ACTIVE"},
		{"parser", "8020", channel, "tidemark.parser.v1.PostService/ListPosts", "postedAt"},
		{"watermark", "8030", channel, "tidemark.watermark.v1.WatermarkService/GetCoverage", "coveredCount"},
		{"watermark", "8030", channel, "tidemark.watermark.v1.WatermarkService/GetWatermark", "headId"},
	} {
		at, err := s.address(ctx, c.service, c.port)
		if err != nil {
			return err
		}
		args := []string{"-plaintext", "-max-time", "20", at, c.method}
		if c.body != "" {
			args = append([]string{"-d", c.body}, args...)
		}
		out, err := exec.CommandContext(ctx, s.grpcurl, args...).CombinedOutput() //nolint:gosec // our own tool
		if err != nil {
			return fmt.Errorf("grpcurl %s %s: %w: %s", c.method, c.body, err, out)
		}
		if !strings.Contains(string(out), c.want) {
			return fmt.Errorf("grpcurl %s %s: want %q in %s", c.method, c.body, c.want, out)
		}
	}
	return nil
}
