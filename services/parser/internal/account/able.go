package account

import "time"

// History is the method without which nothing is read.
const History = "messages.getHistory"

// Obstacle is what keeps the account from reading now, "" when nothing does: the state that it is in, or Waiting, with the wait's end.
func (a Account) Obstacle(now time.Time) (s State, until time.Time) {
	if a.State != Active {
		return a.State, until
	}
	for _, f := range a.Floods {
		if f.Method == History && f.Long() && f.Until.After(now) {
			return Waiting, f.Until
		}
	}
	return "", until
}

// Waiting is no stored state: Telegram said to wait with History, longer than is waited inline.
const Waiting State = "flooded"

// Obstacles are all that Obstacle can answer, in the order in which people are told.
func Obstacles() []State { return []State{Revoked, Banned, Frozen, Unreachable, Waiting} }
