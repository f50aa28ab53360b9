package account

import (
	"slices"
	"testing"
	"time"
)

func TestObstacle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	flood := func(method string, since, until time.Duration) []Flood {
		return []Flood{{Method: method, Since: now.Add(since), Until: now.Add(until)}}
	}
	for name, tc := range map[string]struct {
		account Account
		want    State
	}{
		"active":                              {Account{State: Active}, ""},
		"revoked":                             {Account{State: Revoked}, Revoked},
		"banned":                              {Account{State: Banned}, Banned},
		"frozen":                              {Account{State: Frozen}, Frozen},
		"unreachable":                         {Account{State: Unreachable}, Unreachable},
		"a long wait":                         {Account{State: Active, Floods: flood(History, 0, time.Hour)}, Waiting},
		"a long wait, nearly over":            {Account{State: Active, Floods: flood(History, -time.Hour, time.Second)}, Waiting},
		"a long wait, over":                   {Account{State: Active, Floods: flood(History, -time.Hour, 0)}, ""},
		"a short wait":                        {Account{State: Active, Floods: flood(History, 0, Patience)}, ""},
		"a long wait with what can be spared": {Account{State: Active, Floods: flood("contacts.resolveUsername", 0, 24*time.Hour)}, ""},
	} {
		got, until := tc.account.Obstacle(now)
		if got != tc.want || (got == Waiting) != until.After(now) {
			t.Errorf("%s: got %q until %s, want %q", name, got, until, tc.want)
		}
		if got != "" && !slices.Contains(Obstacles(), got) {
			t.Errorf("%s: %q is none of the known obstacles", name, got)
		}
	}
}
