package rpc

import (
	"context"

	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
)

// ConfigServer serves ConfigService.
type ConfigServer struct {
	watermarkv1.UnimplementedConfigServiceServer
	About run.About
}

// GetConfig answers what the process was told at its start.
func (s *ConfigServer) GetConfig(context.Context, *watermarkv1.GetConfigRequest) (*watermarkv1.GetConfigResponse, error) {
	out := &watermarkv1.GetConfigResponse{Version: s.About.Version, StartedAt: kitrpc.Stamp(s.About.Started)}
	for _, setting := range s.About.Settings {
		out.Settings = append(out.Settings, &typev1.Setting{Name: setting.Name, Value: setting.Value, Secret: setting.Secret})
	}
	return out, nil
}
