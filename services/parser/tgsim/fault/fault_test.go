package fault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidemark/tidemark/services/parser/tgsim/fault"
)

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// strikes is what a rule does to so many calls in a row, a second apart: a mark each.
func strikes(t *testing.T, r fault.Rule, calls int) string {
	t.Helper()
	var s fault.Set
	if err := s.Add(r); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range calls {
		v := s.Check(fault.Call{Method: "a.b", At: start.Add(time.Duration(i) * time.Second)})
		switch {
		case v.Err != nil:
			b.WriteByte('x')
		case v.Drop:
			b.WriteByte('d')
		case v.Delay > 0:
			b.WriteByte('s')
		default:
			b.WriteByte('.')
		}
	}
	return b.String()
}

func TestStrikes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule fault.Rule
		want string
	}{
		"once":                          {fault.Rule{Kind: fault.Drop}, "d........."},
		"three times":                   {fault.Rule{Kind: fault.Drop, Count: 3}, "ddd......."},
		"for ever":                      {fault.Rule{Kind: fault.Drop, Count: -1}, "dddddddddd"},
		"after four":                    {fault.Rule{Kind: fault.Drop, After: 4}, "....d....."},
		"every third":                   {fault.Rule{Kind: fault.Drop, Every: 3}, "..d..d..d."},
		"every third, twice":            {fault.Rule{Kind: fault.Drop, Every: 3, Count: 2}, "..d..d...."},
		"slow":                          {fault.Rule{Kind: fault.Slow, For: time.Second, Count: 2}, "ss........"},
		"error":                         {fault.Rule{Kind: fault.Fail, Code: 500, Message: "X", Count: 2}, "xx........"},
		"flood lasts":                   {fault.Rule{Kind: fault.Flood, For: 3 * time.Second, After: 2}, "..xxx....."},
		"flood again and again":         {fault.Rule{Kind: fault.Flood, For: 2 * time.Second, Every: 3}, "..xx..xx.."},
		"another method":                {fault.Rule{Kind: fault.Drop, Method: "c.d", Count: -1}, ".........."},
		"a channel, before it is known": {fault.Rule{Kind: fault.Drop, Channel: 5, Count: -1}, ".........."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, strikes(t, c.rule, 10)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFloodIsPerAccountAndMethod(t *testing.T) {
	t.Parallel()
	var s fault.Set
	if err := s.Add(fault.Rule{Kind: fault.Flood, Method: "a.b", For: time.Minute}); err != nil {
		t.Fatal(err)
	}
	first := s.Check(fault.Call{Method: "a.b", Account: 1, At: start})
	for name, c := range map[string]fault.Call{"another account": {Method: "a.b", Account: 2, At: start}, "another method": {Method: "c.d", Account: 1, At: start}} {
		if v := s.Check(c); v.Err != nil {
			t.Errorf("%s: %v", name, v.Err)
		}
	}
	later := s.Check(fault.Call{Method: "a.b", Account: 1, At: start.Add(59500 * time.Millisecond)})
	if !strings.Contains(first.Err.Error(), "FLOOD_WAIT (60)") || !strings.Contains(later.Err.Error(), "FLOOD_WAIT (1)") {
		t.Errorf("got %v, then %v", first.Err, later.Err)
	}
}

func TestConnectingIsSpared(t *testing.T) {
	t.Parallel()
	var s fault.Set
	for _, r := range []fault.Rule{{Kind: fault.Drop, Count: -1}, {Kind: fault.Fail, Method: "auth.sendCode", Code: 420, Message: "FLOOD_WAIT_9"}} {
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	if v := s.Check(fault.Call{Method: "help.getConfig", Connect: true, At: start}); v.Drop {
		t.Error("a rule of all methods struck help.getConfig")
	}
	if v := s.Check(fault.Call{Method: "auth.sendCode", Connect: true, At: start}); v.Err == nil {
		t.Error("a rule of auth.sendCode did not strike it")
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for _, r := range []fault.Rule{{}, {Kind: "flod"}, {Kind: fault.Flood}, {Kind: fault.Slow}, {Kind: fault.Fail, Code: 400}, {Kind: fault.Poison, Channel: 1}} {
		if err := new(fault.Set).Add(r); err == nil {
			t.Errorf("%+v was taken", r)
		}
	}
}
