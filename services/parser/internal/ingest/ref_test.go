package ingest_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

func TestParseRef(t *testing.T) {
	t.Parallel()
	name := ingest.Ref{Username: "durov_1"}
	for text, want := range map[string]ingest.Ref{
		"@durov_1": name, "Durov_1": name, " durov_1\n": name, "t.me/durov_1": name, "https://t.me/durov_1/123": name, "http://www.t.me/durov_1": name,
		"telegram.me/durov_1": name, "https://telegram.dog/durov_1?single#x": name, "t.me/s/durov_1": name, "https://t.me/s/durov_1/5": name,
		"tg://resolve?domain=durov_1": name, "tg:resolve?domain=durov_1&post=7": name, "HTTPS://T.ME/durov_1/": name,
		"123": {ID: 123}, "-100123": {ID: 123}, "-1001234567890": {ID: 1234567890}, "-1000000000123": {ID: 123}, "-1012345678901": {ID: 12345678901},
		"t.me/c/123/45": {ID: 123}, "https://t.me/c/1234567890": {ID: 1234567890}, "tg://privatepost?channel=123&post=4": {ID: 123},
	} {
		if got, err := ingest.ParseRef(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
	for text, problem := range map[string]string{
		"": "empty", "abc": "4 to 32", "@1abc": "start with a letter", "a-b-c": "letters, digits", strings.Repeat("a", 33): "4 to 32", "имя_канала": "letters",
		"t.me/+AbCdEf": "join with the account first", "https://t.me/joinchat/AbCdEf": "by its id", "+AbCdEf": "by its id", "tg://join?invite=x": "by its id",
		"https://example.org/durov": "no link", "t.me": "no link", "t.me/c/x/1": "private channel", "0": "no channel id", "-5": "no channel id", "-100": "no channel id",
		"99999999999999999999": "no channel id", "-9223372036854775808": "no channel id", "tg://settings": "no link",
	} {
		_, err := ingest.ParseRef(text)
		var ref *ingest.RefError
		if !errors.As(err, &ref) || !strings.Contains(err.Error(), problem) {
			t.Errorf("%q: got %v, want a RefError with %q", text, err, problem)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"@name", "t.me/c/1/2", "tg://resolve?domain=name", "-1001", "https://t.me/+x", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ingest.ParseRef(text)
		if err != nil {
			return
		}
		if (got.Username == "") == (got.ID == 0) || got.ID < 0 {
			t.Fatalf("%q: got %+v, want exactly one of both", text, got)
		}
		canonical := "@" + got.Username
		if got.ID > 0 {
			canonical = strconv.FormatInt(int64(got.ID), 10)
		}
		if again, err := ingest.ParseRef(canonical); err != nil || again != got {
			t.Fatalf("%q: got %+v, and of %q %+v, %v", text, got, canonical, again, err)
		}
	})
}
