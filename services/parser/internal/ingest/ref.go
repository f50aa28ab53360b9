package ingest

import (
	"math"
	"net/url"
	"strconv"
	"strings"
)

// Ref is a parsed reference to a channel: exactly one of Username and ID is set.
type Ref struct {
	Username string // lower case, without "@"
	ID       ChannelID
}

// markedBase is what bots and exports subtract from: -1000000000000 - id, which reads as "-100" before the id.
const markedBase = 1_000_000_000_000

// ParseRef reads what people paste: "@name", "name", links to a channel or to one of its posts, "123" and "-100123". What it cannot read
// is a *RefError that says what to give instead.
func ParseRef(text string) (Ref, error) {
	s := strings.TrimSpace(text)
	refuse := func(problem string) (Ref, error) { return Ref{}, &RefError{Ref: shorten(text), Problem: problem} }
	switch path, isLink := linkPath(s); {
	case s == "":
		return refuse("is empty: give @name, a link or an id")
	case isLink:
		return refOf(path, refuse)
	case isNumber(s):
		id, ok := BareID(s)
		if !ok {
			return refuse("is no channel id: give 123 or -100123")
		}
		return Ref{ID: id}, nil
	case strings.HasPrefix(s, "+"):
		return refuse(invite)
	default:
		return named(strings.TrimPrefix(s, "@"), refuse)
	}
}

const invite = "is an invite link: join with the account first, then add the channel by its id"

// BareID reads a channel's id in either form: "123", or marked as bots and exports do, "-100123".
func BareID(s string) (ChannelID, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n == math.MinInt64 {
		return 0, false
	}
	if rest, marked := strings.CutPrefix(s, "-100"); marked && n > -markedBase {
		n, err = strconv.ParseInt("0"+rest, 10, 64)
		return ChannelID(n), err == nil && n > 0
	}
	return Bare(n)
}

// Bare is the id of a channel given as a number, bare (123) or marked (-1000000000123); false when it is neither.
func Bare(n int64) (ChannelID, bool) {
	if n < -markedBase {
		n = -(n + markedBase)
	}
	return ChannelID(n), n > 0
}

func isNumber(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// linkPath is the path of a Telegram link, "name/123"; tg:// links are turned into their web form.
func linkPath(s string) (path string, ok bool) {
	lower := strings.ToLower(s)
	if strings.HasPrefix(lower, "tg:") {
		return appPath(s), true
	}
	for _, scheme := range []string{"https://", "http://", "//"} {
		if strings.HasPrefix(lower, scheme) {
			s, ok = s[len(scheme):], true
			break
		}
	}
	host, path, hasPath := strings.Cut(s, "/")
	switch strings.TrimPrefix(strings.ToLower(host), "www.") {
	case "t.me", "telegram.me", "telegram.dog":
		path, _, _ = strings.Cut(path, "#")
		path, _, _ = strings.Cut(path, "?")
		return strings.Trim(path, "/"), true
	}
	return "", ok || hasPath
}

// appPath is the web form of a link for the app: tg://resolve?domain=name, tg://privatepost?channel=123.
func appPath(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	q := u.Query()
	switch u.Host + u.Opaque {
	case "resolve":
		return q.Get("domain")
	case "privatepost":
		return "c/" + q.Get("channel")
	case "join":
		return "joinchat/" + q.Get("invite")
	}
	return ""
}

func refOf(path string, refuse func(string) (Ref, error)) (Ref, error) {
	first, rest, _ := strings.Cut(path, "/")
	second, _, _ := strings.Cut(rest, "/")
	switch {
	case first == "":
		return refuse("is no link to a channel: give https://t.me/name, or the channel's id")
	case strings.EqualFold(first, "joinchat"), strings.HasPrefix(first, "+"), strings.HasPrefix(first, "%2B"), strings.HasPrefix(first, " "):
		return refuse(invite)
	case first == "c":
		id, ok := BareID(second)
		if !ok {
			return refuse("is no link to a private channel: want t.me/c/ID")
		}
		return Ref{ID: id}, nil
	case first == "s":
		return named(second, refuse)
	}
	return named(first, refuse)
}

// named reads a username by Telegram's rules: 4 to 32 letters, digits and underscores, a letter first.
func named(name string, refuse func(string) (Ref, error)) (Ref, error) {
	if len(name) < 4 || len(name) > 32 {
		return refuse("is no username: those have 4 to 32 characters")
	}
	name = strings.ToLower(name)
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return refuse("is no username: those have letters, digits and underscores, and start with a letter")
		}
	}
	return Ref{Username: name}, nil
}

// shorten keeps a pasted novel out of an error.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
