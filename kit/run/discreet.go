package run

import "regexp"

// telling are words that may be secret: addresses with a password, and keys and hashes. Somebody types them into the wrong place, and a complaint
// that repeats them is in a log for good.
var telling = regexp.MustCompile(`[^\s"',;]*(://|@)[^\s"',;]*|[0-9A-Za-z+/=]{32,}`)

// discreet is a complaint that repeats nothing of the kind.
func discreet(complaint string) string { return telling.ReplaceAllLiteralString(complaint, "***") }
