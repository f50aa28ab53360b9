package run

import (
	"regexp"
	"strings"
)

// telling are words that may be secret: addresses with a password, and keys and hashes. Somebody types them into the wrong place, and a complaint
// that repeats them is in a log for good.
var telling = regexp.MustCompile(`[^\s"',;]*(://|@)[^\s"',;]*|[0-9A-Za-z+/=]{32,}`)

// discreet is a complaint that repeats nothing of the kind. Pages that we send people to stay.
func discreet(complaint string) string {
	return telling.ReplaceAllStringFunc(complaint, func(word string) string {
		if strings.HasPrefix(word, "https://") && !strings.ContainsAny(word, "@?#") {
			return word
		}
		return "***"
	})
}
