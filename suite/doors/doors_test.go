package doors

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	parserv1 "github.com/tidemark/tidemark/gen/tidemark/parser/v1"
	schedulerv1 "github.com/tidemark/tidemark/gen/tidemark/scheduler/v1"
	typev1 "github.com/tidemark/tidemark/gen/tidemark/type/v1"
	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/kit/auth"
	"github.com/tidemark/tidemark/kit/auth/ca"
	"github.com/tidemark/tidemark/kit/rpc"
	"github.com/tidemark/tidemark/services/parser/tgsim"
)

// TestTheLocks is the whole in one piece: what is refused and how, what goes through, what is written down, and what never is.
func TestTheLocks(t *testing.T) {
	h := build(t)
	h.login()
	ids := h.follow()
	h.covered(ids)
	h.refused(ids[0])
	h.handshakes()
	h.asked()
	h.configured()
	h.audited(ids)
	h.secretsKept()
}

// covered waits until both channels are read: then the scheduler got what it needs of the parser and the watermark by its certificate alone.
func (h *house) covered(ids []int64) {
	h.Helper()
	marks := watermarkv1.NewWatermarkServiceClient(h.dial(h.watermark, "reader", auth.Files{}))
	for _, id := range ids {
		h.eventually(func() string {
			got, err := marks.GetCoverage(h.Context(), &watermarkv1.GetCoverageRequest{ChannelId: id})
			if err != nil || got.GetCoveredCount() == 0 || len(got.GetHoles()) > 0 {
				return fmt.Sprintf("channel %d: %d covered, %v", id, got.GetCoveredCount(), err)
			}
			return ""
		})
	}
}

// refused calls as people do who may not, on each service.
func (h *house) refused(channel int64) {
	h.Helper()
	h.token("expired", auth.Admin, func(t *auth.Token) { past := time.Now().Add(-time.Second); t.ExpiresAt = &past })
	h.token("slow", auth.Read, func(t *auth.Token) { t.Rate = 0.5 })
	pause := func(c *grpc.ClientConn) error {
		_, err := schedulerv1.NewChannelServiceClient(c).PauseChannel(h.Context(), &schedulerv1.PauseChannelRequest{ChannelId: channel})
		return err
	}
	get := func(c *grpc.ClientConn) error {
		_, err := schedulerv1.NewChannelServiceClient(c).GetChannel(h.Context(), &schedulerv1.GetChannelRequest{ChannelId: channel})
		return err
	}
	logout := func(c *grpc.ClientConn) error {
		_, err := parserv1.NewAccountServiceClient(c).LogoutAccount(h.Context(), &parserv1.LogoutAccountRequest{AccountId: 12345})
		return err
	}
	login := func(c *grpc.ClientConn) error {
		s, err := parserv1.NewAccountServiceClient(c).StartLogin(h.Context(), &parserv1.StartLoginRequest{Method: &parserv1.StartLoginRequest_Phone{Phone: "+10000000001"}})
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	resolve := func(c *grpc.ClientConn) error {
		_, err := parserv1.NewParserServiceClient(c).ResolveChannel(h.Context(), &parserv1.ResolveChannelRequest{Ref: "@" + h.world.Summaries()[0].Username})
		return err
	}
	mark := func(c *grpc.ClientConn) error {
		_, err := watermarkv1.NewWatermarkServiceClient(c).GetWatermark(h.Context(), &watermarkv1.GetWatermarkRequest{ChannelId: channel})
		return err
	}
	watch := func(c *grpc.ClientConn) error {
		s, err := schedulerv1.NewRunServiceClient(c).WatchRuns(h.Context(), &schedulerv1.WatchRunsRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		return err
	}
	twice := func(call func(*grpc.ClientConn) error) func(*grpc.ClientConn) error {
		return func(c *grpc.ClientConn) error {
			if err := call(c); err != nil {
				return fmt.Errorf("at first: %w", err)
			}
			return call(c)
		}
	}
	for _, tc := range []struct {
		name, addr, token, cert string
		call                    func(*grpc.ClientConn) error
		code                    codes.Code
		reason                  string
	}{
		{"no token, a read", h.scheduler, "", "", get, codes.Unauthenticated, "NO_CREDENTIALS"},
		{"no token, a write", h.scheduler, "", "", pause, codes.Unauthenticated, "NO_CREDENTIALS"},
		{"no token, a stream", h.scheduler, "", "", watch, codes.Unauthenticated, "NO_CREDENTIALS"},
		{"no token, the parser", h.parser, "", "", resolve, codes.Unauthenticated, "NO_CREDENTIALS"},
		{"no token, the watermark", h.watermark, "", "", mark, codes.Unauthenticated, "NO_CREDENTIALS"},
		{"a made-up token", h.scheduler, "tm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "", get, codes.Unauthenticated, "TOKEN_UNKNOWN"},
		{"a made-up token beside a good certificate", h.parser, "tm_AAAA", "scheduler", resolve, codes.Unauthenticated, "TOKEN_UNKNOWN"},
		{"an expired token", h.scheduler, "expired", "", get, codes.Unauthenticated, "TOKEN_EXPIRED"},
		{"a read token, a read", h.scheduler, "reader", "", get, codes.OK, ""},
		{"a read token, a write", h.scheduler, "reader", "", pause, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"a read token, a login", h.parser, "reader", "", login, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"an operate token, a write", h.scheduler, "operator", "", pause, codes.OK, ""},
		{"an operate token, a logout", h.parser, "operator", "", logout, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"an operate token, a login", h.parser, "operator", "", login, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"an admin token, a read", h.watermark, "admin", "", mark, codes.OK, ""},
		{"too often", h.watermark, "slow", "", twice(mark), codes.ResourceExhausted, "RATE_LIMITED"},
		{"the scheduler's certificate at the parser", h.parser, "", "scheduler", resolve, codes.OK, ""},
		{"the scheduler's certificate, what it never needs", h.parser, "", "scheduler", logout, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"the scheduler's certificate at the scheduler", h.scheduler, "", "scheduler", pause, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"a certificate that the contract does not name", h.parser, "", "grafana", resolve, codes.PermissionDenied, "SCOPE_TOO_SMALL"},
		{"a token beside such a certificate", h.scheduler, "reader", "grafana", get, codes.OK, ""},
	} {
		files := auth.Files{}
		if tc.cert != "" {
			files.Cert, files.Key = ca.Paths(h.dir, tc.cert)
		}
		err := tc.call(h.dial(tc.addr, tc.token, files))
		if status.Code(err) != tc.code || rpc.Reason(err) != tc.reason {
			h.Errorf("%s: got %v (%s), want %s (%s)", tc.name, err, rpc.Reason(err), tc.code, tc.reason)
		}
		if wait, ok := rpc.RetryAfter(err); tc.reason == "RATE_LIMITED" && (!ok || wait <= 0) {
			h.Errorf("%s: got no RetryInfo", tc.name)
		}
	}
	if _, err := schedulerv1.NewChannelServiceClient(h.dial(h.scheduler, "operator", auth.Files{})).ResumeChannel(h.Context(), &schedulerv1.ResumeChannelRequest{ChannelId: channel}); err != nil {
		h.Error(err)
	}
}

// handshakes are refused before anything is said.
func (h *house) handshakes() {
	h.Helper()
	other, past := h.path("other"), h.path("past")
	if _, err := ca.Init(other, time.Now()); err != nil {
		h.Fatal(err)
	}
	h.issue(other, "scheduler", time.Now())
	h.copyAuthority(past)
	h.issue(past, "scheduler", time.Now().Add(-ca.Life-time.Hour))
	strange, strangeKey := ca.Paths(other, "scheduler")
	old, oldKey := ca.Paths(past, "scheduler")
	check := func(c *grpc.ClientConn) error {
		_, err := grpc_health_v1.NewHealthClient(c).Check(h.Context(), &grpc_health_v1.HealthCheckRequest{})
		return err
	}
	for name, files := range map[string]auth.Files{
		"a certificate of another authority": {Cert: strange, Key: strangeKey},
		"a certificate that is over":         {Cert: old, Key: oldKey},
		"a client of another authority":      {CA: other + "/ca.crt"},
	} {
		if err := check(h.dial(h.parser, "", files)); status.Code(err) != codes.Unavailable {
			h.Errorf("%s: got %v, want a failed handshake", name, err)
		}
	}
	for _, why := range []string{"certificate signed by unknown authority", "certificate has expired"} {
		h.eventually(func() string {
			if strings.Contains(h.log.String(), why) {
				return ""
			}
			return "the log does not say that a connection was refused: " + why
		})
	}
	clear, err := rpc.Dial(h.parser)
	if err != nil {
		h.Fatal(err)
	}
	defer func() { _ = clear.Close() }()
	if err := check(clear); status.Code(err) != codes.Unavailable {
		h.Errorf("in the clear: got %v, want no connection", err)
	}
	conn, err := (&tls.Dialer{Config: &tls.Config{MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true, NextProtos: []string{"h2"}}}).DialContext(h.Context(), "tcp", h.parser) //nolint:gosec // old TLS is the case
	if err == nil {
		_ = conn.Close()
		h.Error("TLS 1.2: got a connection")
	}
	if err := check(h.dial(h.parser, "", auth.Files{})); err != nil {
		h.Errorf("health without a token: %v, want it open", err)
	}
}

func (h *house) copyAuthority(to string) {
	h.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		h.Fatal(err)
	}
	for _, name := range []string{"/ca.crt", "/ca.key"} {
		content, err := os.ReadFile(h.dir + name)
		if err == nil {
			err = os.WriteFile(to+name, content, 0o600)
		}
		if err != nil {
			h.Fatal(err)
		}
	}
}

// asked walks what each service serves, as reflection shows it to a reader, and holds every method's scope against what it does.
func (h *house) asked() {
	h.Helper()
	seen := 0
	for _, addr := range []string{h.parser, h.watermark, h.scheduler} {
		if _, err := h.services(addr, ""); status.Code(err) != codes.Unauthenticated {
			h.Errorf("reflection without a token: %v, want UNAUTHENTICATED", err)
		}
		names, err := h.services(addr, "reader")
		if err != nil {
			h.Fatal(err)
		}
		for _, name := range names {
			found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
			if err != nil {
				h.Fatal(err)
			}
			methods := found.(protoreflect.ServiceDescriptor).Methods()
			for i := range methods.Len() {
				seen++
				if why := scopeProblem(methods.Get(i)); why != "" {
					h.Errorf("%s: %s", methods.Get(i).FullName(), why)
				}
			}
		}
	}
	if seen < 30 {
		h.Errorf("walked %d methods: the walk itself is broken", seen)
	}
}

func (h *house) services(addr, token string) (names []string, err error) {
	stream, err := grpc_reflection_v1.NewServerReflectionClient(h.dial(addr, token, auth.Files{})).ServerReflectionInfo(h.Context())
	if err != nil {
		return nil, err
	}
	_ = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{}})
	answer, err := stream.Recv()
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names, err
}

// scopeProblem is what is wrong with a method's scope, or "".
func scopeProblem(m protoreflect.MethodDescriptor) string {
	need := auth.NeedOf(fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name()))
	if !need.Said {
		return "says no scope: add option (tidemark.auth.v1.scope)"
	}
	if !strings.HasPrefix(string(m.FullName()), "tidemark.") {
		return ""
	}
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	reads := options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	if reads != (need.Scope == auth.Read) {
		return fmt.Sprintf("has scope %s, and its idempotency_level is %s", need.Scope, options.GetIdempotencyLevel())
	}
	return ""
}

func TestTheScopeRuleSeesWhatItMustSee(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"/tidemark.parser.v1.NoService/None", "/tidemark.parser.v1.ParserService/None", "nonsense", "/"} {
		if need := auth.NeedOf(method); need.Said || need.Open || need.Scope != auth.Admin {
			t.Errorf("%q: got %+v, want the greatest scope for what says none", method, need)
		}
	}
	want := auth.Need{Scope: auth.Admin, Services: []string{"scheduler"}, Said: true}
	if got := auth.NeedOf("/tidemark.watermark.v1.WatermarkService/RewindWatermark"); got.Scope != want.Scope || !slices.Equal(got.Services, want.Services) || !got.Said || got.Reads {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// configured asks each service what it was told: all of it, and no secret.
func (h *house) configured() {
	h.Helper()
	w, err := watermarkv1.NewConfigServiceClient(h.dial(h.watermark, "reader", auth.Files{})).GetConfig(h.Context(), &watermarkv1.GetConfigRequest{})
	h.says(err, w, w.GetSettings(), "max-conns=10", "database-url=***")
	s, err := schedulerv1.NewConfigServiceClient(h.dial(h.scheduler, "reader", auth.Files{})).GetConfig(h.Context(), &schedulerv1.GetConfigRequest{})
	h.says(err, s, s.GetSettings(), "tick=1s", "workers=8", "database-url=***")
	p, err := parserv1.NewConfigServiceClient(h.dial(h.parser, "reader", auth.Files{})).GetConfig(h.Context(), &parserv1.GetConfigRequest{})
	h.says(err, p, p.GetSettings(), "stream=tidemark:posts", "api-id=1", "api-hash=***", "session-key=", "redis-url=***")
}

func (h *house) says(err error, answer interface {
	fmt.Stringer
	GetVersion() string
	GetStartedAt() *timestamppb.Timestamp
}, settings []*typev1.Setting, want ...string) {
	h.Helper()
	if err != nil || answer.GetVersion() == "" || time.Since(answer.GetStartedAt().AsTime()) > time.Hour {
		h.Errorf("got %v, %v", answer, err)
	}
	var got []string
	for _, s := range settings {
		got = append(got, s.GetName()+"="+s.GetValue())
		if s.GetSecret() != slices.Contains([]string{"database-url", "redis-url", "api-hash", "session-key"}, s.GetName()) {
			h.Errorf("%s: secret is %t", s.GetName(), s.GetSecret())
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			h.Errorf("got %q, want %s in it", got, w)
		}
	}
	for _, secret := range []string{h.database.Reveal(), h.redis.Reveal(), apiHash} {
		if strings.Contains(answer.String(), secret) {
			h.Error("a secret is in the answer")
		}
	}
}

// audited reads the audit log: who did what, and nothing about who only looked.
func (h *house) audited(ids []int64) {
	h.Helper()
	content, err := os.ReadFile(h.path("audit.log"))
	if err != nil {
		h.Fatal(err)
	}
	type line struct {
		Event, Who, Method, Request, Code string
		ChannelID                         any `json:"channel_id"`
	}
	got := map[string]int{}
	for text := range strings.Lines(string(content)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil || l.Event != "audit" || l.Request == "" {
			h.Errorf("line %q: %v", text, err)
		}
		got[fmt.Sprint(l.Who, " ", l.Method[strings.LastIndex(l.Method, "/")+1:], " ", l.Code)]++
		if l.Method == "/tidemark.scheduler.v1.ChannelService/PauseChannel" && l.ChannelID != float64(ids[0]) {
			h.Errorf("line %q does not name channel %d", text, ids[0])
		}
	}
	for _, want := range []string{
		"token admin StartLogin OK", "token admin SubmitCode OK", "token operator AddChannel OK", "token operator PauseChannel OK", "token reader PauseChannel PermissionDenied",
		"token operator LogoutAccount PermissionDenied", "certificate scheduler LogoutAccount PermissionDenied", "certificate scheduler ParseChannel OK", "certificate scheduler AdvanceWatermark OK",
	} {
		if got[want] == 0 {
			h.Errorf("the audit log has no line %q: %v", want, got)
		}
	}
	for key := range got {
		if strings.Contains(key, " Get") || strings.Contains(key, " List") || strings.Contains(key, "Probe") {
			h.Errorf("the audit log has %q, which only looked", key)
		}
	}
}

// secretsKept searches all that was logged for what must be nowhere.
func (h *house) secretsKept() {
	h.Helper()
	audit, err := os.ReadFile(h.path("audit.log"))
	if err != nil {
		h.Fatal(err)
	}
	key, err := os.ReadFile(h.path("session.key"))
	if err != nil {
		h.Fatal(err)
	}
	account := h.world.Accounts()[0]
	secrets := map[string]string{"the phone": account.Phone, "the phone's digits": strings.Trim(account.Phone, "+"), "the session key": strings.TrimSpace(string(key)), "the API hash": apiHash, "the database URL": h.database.Reveal()}
	for name, text := range h.tokens {
		secrets["token "+name] = text.Reveal()
	}
	logs := h.log.String() + string(audit)
	if !strings.Contains(logs, "ParseChannel") {
		h.Error("the log is empty: the search proves nothing")
	}
	for name, secret := range secrets {
		if secret == "" || strings.Contains(logs, secret) {
			h.Errorf("%s is in the logs", name)
		}
	}
	if at := regexp.MustCompile(`.{0,100}tm_[A-Za-z0-9_-]{4}`).FindString(logs); at != "" {
		h.Errorf("something like a token is in the logs: %s", at)
	}
}

func TestRotationUnderAnOpenStream(t *testing.T) {
	h := build(t)
	h.login()
	ids := h.follow()
	h.covered(ids)
	h.token("watcher", auth.Read, func(t *auth.Token) { t.Rate = 1e6 })
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	watch, err := schedulerv1.NewRunServiceClient(h.dial(h.scheduler, "watcher", auth.Files{})).WatchRuns(ctx, &schedulerv1.WatchRunsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	before := h.serial(h.scheduler)
	for _, name := range []string{"parser", "watermark", "scheduler"} {
		crt, key := ca.Paths(h.dir, name)
		for _, path := range []string{crt, key} {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
		h.issue(h.dir, name, time.Now())
	}
	if after := h.serial(h.scheduler); after == before {
		t.Error("the service still shows its old certificate")
	}
	operator := schedulerv1.NewRunServiceClient(h.dial(h.scheduler, "operator", auth.Files{}))
	h.news(operator, ids[0]) // the scheduler still reaches its peers, and the old stream still speaks
	for {
		got, err := watch.Recv()
		if err != nil {
			t.Fatalf("the stream ended with its certificate's rotation: %v", err)
		}
		if got.GetRun().GetChannelId() == ids[0] {
			break
		}
	}
	h.revoke("watcher")
	if err := h.watchAgain("watcher"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a new stream with a revoked token: %v, want UNAUTHENTICATED", err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := watch.Recv(); err != nil {
				ended <- err
				return
			}
		}
	}()
	h.news(operator, ids[0])
	h.eventually(func() string {
		select {
		case err := <-ended:
			if status.Code(err) != codes.Unauthenticated || rpc.Reason(err) != "TOKEN_UNKNOWN" {
				t.Errorf("the stream of a revoked token ended with %v, want UNAUTHENTICATED", err)
			}
			return ""
		default:
			return "the stream of a revoked token still speaks"
		}
	})
	h.brokenFiles()
}

// brokenFiles changes nothing: what was good stays in force.
func (h *house) brokenFiles() {
	h.Helper()
	for _, name := range []string{"tokens.json", "scheduler.crt"} {
		if err := os.WriteFile(h.path(name), []byte("half a fi"), 0o600); err != nil {
			h.Fatal(err)
		}
	}
	_, err := schedulerv1.NewSchedulerServiceClient(h.dial(h.scheduler, "reader", auth.Files{})).GetStatus(h.Context(), &schedulerv1.GetStatusRequest{})
	if err != nil {
		h.Errorf("with broken files: %v, want the last good ones in force", err)
	}
	if got := strings.Count(h.log.String(), "what it said before stays in force"); got == 0 {
		h.Error("the log does not say that a file is broken")
	}
}

// news makes a run that has something to say.
func (h *house) news(runs schedulerv1.RunServiceClient, id int64) {
	h.Helper()
	if _, err := h.world.Post(h.world.Summaries()[0].Username, tgsim.Draft{Text: "news"}); err != nil {
		h.Fatal(err)
	}
	if _, err := runs.TriggerRun(h.Context(), &schedulerv1.TriggerRunRequest{ChannelId: id}); err != nil {
		h.Fatal(err)
	}
}

func (h *house) watchAgain(token string) error {
	stream, err := schedulerv1.NewRunServiceClient(h.dial(h.scheduler, token, auth.Files{})).WatchRuns(h.Context(), &schedulerv1.WatchRunsRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

func (h *house) revoke(name string) {
	h.Helper()
	err := auth.ChangeTokens(h.path("tokens.json"), func(all []auth.Token) ([]auth.Token, error) {
		return slices.DeleteFunc(all, func(t auth.Token) bool { return t.Name == name }), nil
	})
	if err != nil {
		h.Fatal(err)
	}
}

// serial is of the certificate that a service shows to a new caller.
func (h *house) serial(addr string) string {
	h.Helper()
	t, err := auth.OpenTLS(auth.Files{CA: h.path("ca.crt")}, nil, time.Now)
	if err != nil {
		h.Fatal(err)
	}
	raw, err := (&net.Dialer{}).DialContext(h.Context(), "tcp", addr)
	if err != nil {
		h.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(h.Context(), patience)
	defer cancel()
	conn, info, err := t.Client().ClientHandshake(ctx, addr, raw)
	if err != nil {
		h.Fatal(err)
	}
	_ = conn.Close()
	return info.(credentials.TLSInfo).State.PeerCertificates[0].SerialNumber.String()
}
