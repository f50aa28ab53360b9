package rpc

import (
	"context"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	kitrpc "github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/kit/run"
)

// ConfigServer serves ConfigService.
type ConfigServer struct {
	parserv1.UnimplementedConfigServiceServer
	About run.About
}

// GetConfig answers what the process was told at its start.
func (s *ConfigServer) GetConfig(context.Context, *parserv1.GetConfigRequest) (*parserv1.GetConfigResponse, error) {
	out := &parserv1.GetConfigResponse{Version: s.About.Version, StartedAt: kitrpc.Stamp(s.About.Started)}
	for _, setting := range s.About.Settings {
		out.Settings = append(out.Settings, &typev1.Setting{Name: setting.Name, Value: setting.Value, Secret: setting.Secret})
	}
	return out, nil
}
