package telegram

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests  *prometheus.CounterVec
	floodWait *prometheus.CounterVec
	gateWait  *prometheus.HistogramVec
	accounts  *prometheus.GaugeVec
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parser_telegram_requests_total", Help: "Requests to Telegram by MTProto method and what became of them.",
		}, []string{"method", "outcome"}),
		floodWait: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parser_telegram_flood_wait_seconds_total", Help: "Seconds that Telegram told us to wait, by method.",
		}, []string{"method"}),
		gateWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parser_telegram_gate_wait_seconds", Help: "How long calls waited before they were sent: for Telegram's waits and our own pace.",
			Buckets: []float64{0.001, 0.1, 1, 5, 15, 30, 60},
		}, []string{"method"}),
		accounts: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parser_telegram_account_state", Help: "1 for the state that an account of this process is in.",
		}, []string{"account", "state"}),
	}
	if r == nil {
		return m, nil
	}
	return m, errors.Join(r.Register(m.requests), r.Register(m.floodWait), r.Register(m.gateWait), r.Register(m.accounts))
}
