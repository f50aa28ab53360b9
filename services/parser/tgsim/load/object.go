package load

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// object is a JSON object of which any field may be absent or of another type than hoped for: then it reads as zero.
type object map[string]any

func (o object) object(key string) object {
	in, _ := o[key].(map[string]any)
	return in
}

func (o object) objects(key string) (all []object) {
	list, _ := o[key].([]any)
	for _, one := range list {
		if in, ok := one.(map[string]any); ok {
			all = append(all, in)
		}
	}
	return all
}

func (o object) text(key string) string {
	s, _ := o[key].(string)
	return s
}

func (o object) is(key string) bool {
	b, _ := o[key].(bool)
	return b
}

// number reads numbers, and 64-bit ones that were written as strings.
func (o object) number(key string) int64 {
	var s string
	switch v := o[key].(type) {
	case json.Number:
		s = v.String()
	case string:
		s = v
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n
	}
	u, _ := strconv.ParseUint(s, 10, 64) // access hashes may be written unsigned
	return int64(u)
}

func (o object) int(key string) int { return int(o.number(key)) }

func (o object) float(key string) float64 {
	n, _ := o[key].(json.Number)
	f, _ := n.Float64()
	return f
}

func (o object) ints(key string) []int {
	list, _ := o[key].([]any)
	all := make([]int, 0, len(list))
	for _, one := range list {
		n, _ := one.(json.Number)
		i, _ := n.Int64()
		all = append(all, int(i))
	}
	return all
}

// bytes reads an array of integers, as Telethon writes them.
func (o object) bytes(key string) []byte {
	all := o.ints(key)
	b := make([]byte, len(all))
	for i, n := range all {
		b[i] = byte(n)
	}
	return b
}

// date reads unix seconds or RFC 3339.
func (o object) date(key string) int {
	if at, err := time.Parse(time.RFC3339, o.text(key)); err == nil {
		return int(at.Unix())
	}
	return o.int(key)
}

// kind is the TL constructor's name as the schema writes it: Telethon starts it with a capital.
func (o object) kind() string {
	name := o.text("_")
	return strings.ToLower(name[:min(1, len(name))]) + name[min(1, len(name)):]
}

// channelOf is the bare id inside a peer, 0 if it is none of a channel.
func (o object) channelOf(key string) int64 { return o.object(key).number("channel_id") }

// snake is a constructor's name without its prefix, as text_url.
func snake(name, prefix string) string {
	var b strings.Builder
	for i, r := range strings.TrimPrefix(name, prefix) {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
