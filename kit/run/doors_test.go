package run

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/auth/ca"
)

func TestADoorIsNotOpenedToTheWorldByAccident(t *testing.T) {
	t.Parallel()
	secure := Doors{TLSCertFile: "c", TLSKeyFile: "k"}
	asking := Doors{TLSCertFile: "c", TLSKeyFile: "k", TokensFile: "t"}
	mutual := Doors{TLSCertFile: "c", TLSKeyFile: "k", TLSCAFile: "a"}
	for _, tc := range []struct {
		name, addr string
		doors      Doors
		refused    string // what the error names, "" for none
	}{
		{"nothing on loopback", "127.0.0.1:8010", Doors{}, ""},
		{"nothing on loopback, IPv6", "[::1]:8010", Doors{}, ""},
		{"nothing on localhost", "localhost:8010", Doors{}, ""},
		{"nothing at all", "", Doors{}, ""},
		{"all addresses", "0.0.0.0:8010", Doors{}, "--insecure-plaintext"},
		{"all addresses, short", ":8010", Doors{}, "--insecure-plaintext"},
		{"all addresses, IPv6", "[::]:8010", Doors{}, "--tls-cert-file"},
		{"a name", "scheduler:8010", Doors{}, "--tls-cert-file"},
		{"a tokens file alone", ":8010", Doors{TokensFile: "t"}, "--tls-cert-file"},
		{"told so", ":8010", Doors{InsecurePlaintext: true}, ""},
		{"TLS that asks nobody", ":8010", secure, "--tokens-file"},
		{"TLS that asks nobody, on loopback", "127.0.0.1:8010", secure, ""},
		{"TLS and tokens", ":8010", asking, ""},
		{"TLS and certificates", ":8010", mutual, ""},
		{"an authority and nothing to serve with", "127.0.0.1:8010", Doors{TLSCAFile: "a"}, "--tls-key-file"},
	} {
		err := tc.doors.Check(tc.addr)
		if (err == nil) != (tc.refused == "") || err != nil && !strings.Contains(err.Error(), tc.refused) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.refused)
		}
	}
}

func TestServeRefusesBeforeItListens(t *testing.T) {
	t.Parallel()
	for name, doors := range map[string]Doors{
		"the world":        {},
		"half a pair":      {TLSCertFile: "c", TokensFile: "t"},
		"no such file":     {TLSCertFile: "/no/such", TLSKeyFile: "/no/such", TokensFile: "t"},
		"no tokens":        {InsecurePlaintext: true, TokensFile: "/no/such"},
		"no place to note": {InsecurePlaintext: true, AuditLogFile: "/no/such/audit.log"},
	} {
		err := Serve(t.Context(), Options{GRPCAddr: ":0", Doors: doors, OnListen: func(net.Addr, net.Addr) { t.Errorf("%s: it listens", name) }})
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line", name, err)
		}
	}
}

func TestDoorsAreFlags(t *testing.T) {
	t.Parallel()
	var cli struct{ Doors }
	_, err := parse("parser", "", []string{"--tls-cert-file=c", "--tls-peers=grafana=read;ops=admin"}, []string{"PARSER_TLS_KEY_FILE=k", "PARSER_INSECURE_PLAINTEXT=true"}, &cli, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if cli.TLSCertFile != "c" || cli.TLSKeyFile != "k" || !cli.InsecurePlaintext || cli.TLSPeers["grafana"] != auth.Read || cli.TLSPeers["ops"] != auth.Admin {
		t.Errorf("got %+v", cli.Doors)
	}
	if _, err := parse("parser", "", []string{"--tls-peers=grafana=none"}, nil, &cli, io.Discard); err == nil {
		t.Error("a scope that cannot be given is taken")
	}
}

// The metric is of the certificate that is served now, not of the one that was there at the start.
func TestACertificateTellsItsEnd(t *testing.T) {
	t.Parallel()
	dir, registry, now := t.TempDir(), prometheus.NewRegistry(), time.Now()
	if _, err := ca.Init(dir, now); err != nil {
		t.Fatal(err)
	}
	crt, key := ca.Paths(dir, "parser")
	issued := func(at time.Time) float64 {
		t.Helper()
		o, err := ca.Issue(dir, "parser", []string{"localhost"}, true, at)
		if err != nil || o.Done == "kept" {
			t.Fatal(o, err)
		}
		return float64(o.Cert.NotAfter.Unix())
	}
	first := issued(now)
	if _, err := (Doors{TLSCertFile: crt, TLSKeyFile: key}).locks(slog.New(slog.DiscardHandler), registry); err != nil {
		t.Fatal(err)
	}
	told := func() float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != certificateEnd {
			t.Fatal(families, err)
		}
		return families[0].GetMetric()[0].GetGauge().GetValue()
	}
	if got := told(); got != first {
		t.Errorf("got %f, want %f", got, first)
	}
	if second := issued(now.Add(ca.Life - ca.RenewBefore + time.Hour)); told() != second || second == first {
		t.Errorf("renewed: got %f, want %f", told(), second)
	}
}
