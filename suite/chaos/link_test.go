package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// echo answers every line in upper case.
func echo(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				for lines := bufio.NewScanner(c); lines.Scan(); {
					_, _ = io.WriteString(c, strings.ToUpper(lines.Text())+"\n")
				}
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T, taps func() tap) *link {
	t.Helper()
	k, err := openLink(t.Context(), "test", echo(t), taps)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(t *testing.T, k *link) client {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", k.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return client{c, bufio.NewReader(c)}
}

// say answers what came back within a while.
func (c client) say(line string, within time.Duration) (string, error) {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return c.hear(within)
}

func (c client) hear(within time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(within))
	answer, err := c.in.ReadString('\n')
	return strings.TrimSpace(answer), err
}

const (
	soon = 10 * time.Second      // more than it ever takes
	hush = 60 * time.Millisecond // of a connection on which nothing may come
)

func TestALinkPassesAndIsCut(t *testing.T) {
	t.Parallel()
	k := open(t, nil)
	c := dial(t, k)
	if got, err := c.say("one", soon); got != "ONE" || err != nil {
		t.Fatalf("got %q, %v through a link", got, err)
	}
	k.cut()
	if _, err := c.hear(soon); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v from a connection that was cut, want its end", err)
	}
	if got, err := dial(t, k).say("two", soon); got != "TWO" || err != nil {
		t.Errorf("got %q, %v: a link that was cut takes new connections", got, err)
	}
}

func TestAFrozenLinkIsHalfOpen(t *testing.T) {
	t.Parallel()
	k := open(t, nil)
	old := dial(t, k)
	if _, err := old.say("one", soon); err != nil {
		t.Fatal(err)
	}
	k.freeze()
	if _, err := old.say("two", hush); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v from a frozen connection, want silence", err)
	}
	fresh := dial(t, k)
	if _, err := fresh.say("three", hush); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v from a connection to a frozen link, want silence", err)
	}
	k.thaw()
	for _, c := range []struct {
		client
		want string
	}{{old, "TWO"}, {fresh, "THREE"}} {
		if got, err := c.hear(soon); got != c.want || err != nil {
			t.Errorf("got %q, %v after the thaw, want %q", got, err, c.want)
		}
	}
}

func TestASlowLinkIsLate(t *testing.T) {
	t.Parallel()
	k := open(t, nil)
	c := dial(t, k)
	k.slow(2 * hush)
	if _, err := c.say("one", hush); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v at once from a slow link", err)
	}
	if got, err := c.hear(soon); got != "ONE" || err != nil {
		t.Errorf("got %q, %v from a slow link", got, err)
	}
}

func TestALinkFollowsItsTarget(t *testing.T) {
	t.Parallel()
	k := open(t, nil)
	good := k.target
	k.aim("127.0.0.1:1")
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", k.addr()); err == nil { // it may be over before it begins
		if got, err := (client{c, bufio.NewReader(c)}).say("one", soon); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %q, %v while nobody is there, want the end", got, err)
		}
		_ = c.Close()
	}
	k.aim(good)
	if got, err := dial(t, k).say("two", soon); got != "TWO" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// words is a tap whose statements are the lines.
type words struct{}

func (words) sent(chunk []byte) (found []statement) {
	for line := range strings.Lines(string(chunk)) {
		found = append(found, statement{text: strings.TrimSpace(line)})
	}
	return found
}

func TestABreakpoint(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		point *breakpoint
		lines []string
		want  []string // an empty answer is the end of the connection
		fires int      // after so many lines; 0 never
	}{
		"before: what was asked is lost":   {&breakpoint{match: regexp.MustCompile("b"), cut: true}, []string{"a", "b"}, []string{"A", ""}, 2},
		"after: what was answered is":      {&breakpoint{match: regexp.MustCompile("b"), cut: true, after: true, reply: []byte("B")}, []string{"a", "b"}, []string{"A", ""}, 2},
		"once":                             {&breakpoint{match: regexp.MustCompile("a")}, []string{"a", "a"}, []string{"A", "A"}, 1},
		"the second time":                  {&breakpoint{match: regexp.MustCompile("a"), skip: 1, cut: true}, []string{"a", "a"}, []string{"A", ""}, 2},
		"only behind another":              {&breakpoint{match: regexp.MustCompile("c"), prior: regexp.MustCompile("b"), cut: true}, []string{"a", "c", "b", "c"}, []string{"A", "C", "B", ""}, 4},
		"not at what it does not look for": {&breakpoint{match: regexp.MustCompile("x"), cut: true}, []string{"a", "b"}, []string{"A", "B"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := open(t, func() tap { return words{} })
			fired := make(chan int, 10)
			var line atomic.Int64
			c.point.do = func() { fired <- int(line.Load()) }
			b := k.arm(c.point)
			conn := dial(t, k)
			for i, text := range c.lines {
				line.Store(int64(i + 1))
				got, err := conn.say(text, soon)
				if got != c.want[i] || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: got %q, %v, want %q", text, got, err, c.want[i])
				}
			}
			if c.fires > 0 {
				<-b.hit
				if got := <-fired; got != c.fires || len(fired) > 0 {
					t.Errorf("fired at line %d, and %d times more; want line %d alone", got, len(fired), c.fires)
				}
			} else if !b.disarm() {
				t.Error("it fired")
			}
		})
	}
}

func TestABreakpointHolds(t *testing.T) {
	t.Parallel()
	k := open(t, func() tap { return words{} })
	held, release := make(chan struct{}), make(chan struct{})
	b := k.arm(&breakpoint{match: regexp.MustCompile("b"), do: func() { close(held); <-release }})
	one, two := dial(t, k), dial(t, k)
	if _, err := one.say("b", hush); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v while held", err)
	}
	<-held
	if got, err := two.say("b", soon); got != "B" || err != nil {
		t.Errorf("got %q, %v: the others go on", got, err)
	}
	if b.disarm() {
		t.Error("what has fired can be disarmed")
	}
	close(release)
	if got, err := one.hear(soon); got != "B" || err != nil {
		t.Errorf("got %q, %v after the release", got, err)
	}
}

// message frames one message of Postgres's protocol.
func message(kind byte, parts ...string) []byte {
	body := strings.Join(parts, "\x00") + "\x00"
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

func TestPostgresStatementsAreSeen(t *testing.T) {
	t.Parallel()
	var wire []byte
	wire = append(wire, binary.BigEndian.AppendUint32(nil, 8)...)
	wire = append(wire, 0, 3, 0, 0)
	wire = append(wire, message('p', "password")...)
	wire = append(wire, message('Q', "COPY parser.posts FROM STDIN")...)
	wire = append(wire, message('d', strings.Repeat("COMMIT", 1000))...)
	wire = append(wire, message('P', "s1", "-- name: LockMarks :many")...)
	wire = append(wire, message('P', "", "COMMIT")...)
	wire = append(wire, message('B', "", "s1", "channel 7")...)
	wire = append(wire, message('B', "", "", "")...)
	wire = append(wire, message('B', "", "unknown", "")...)
	want := []string{"COPY parser.posts FROM STDIN", "-- name: LockMarks :many", "COMMIT", ""}
	for _, size := range []int{1, 3, 7, 100, len(wire)} { // however it is cut to pieces
		look := newPostgresTap()
		var got []statement
		for at := 0; at < len(wire); at += size {
			got = append(got, look.sent(wire[at:min(at+size, len(wire))])...)
		}
		if len(got) != len(want) {
			t.Fatalf("pieces of %d: got %d statements, want %d", size, len(got), len(want))
		}
		for i, s := range got {
			if s.text != want[i] {
				t.Errorf("pieces of %d: got %q, want %q", size, s.text, want[i])
			}
		}
		if !strings.Contains(string(got[1].args), "channel 7") {
			t.Errorf("pieces of %d: got the arguments %q", size, got[1].args)
		}
	}
}

func TestEventsAreSeenOnTheirWayToRedis(t *testing.T) {
	t.Parallel()
	wire := ""
	want := []string{"7/1/1/post.created/0a1b2c3d4e5f", "7/2/1/post.created/000000000000", "7/2/2/post.deleted"}
	for _, id := range want {
		wire += "*13\r\n$4\r\nXADD\r\n$5\r\nposts\r\n$1\r\n*\r\n$5\r\nevent\r\n$3\r\n\x00\r\n\r\n$2\r\nid\r\n$" + strconv.Itoa(len(id)) + "\r\n" + id + "\r\n$4\r\nkind\r\n$1\r\nx\r\n"
	}
	for _, size := range []int{1, 7, 64, len(wire)} {
		log := newSent()
		look := &redisTap{log: log}
		for at := 0; at < len(wire); at += size {
			look.sent([]byte(wire[at:min(at+size, len(wire))]))
		}
		if !slices.Equal(log.order, want) {
			t.Errorf("pieces of %d: got %v, want %v", size, log.order, want)
		}
		for id, n := range log.times {
			if n != 1 {
				t.Errorf("pieces of %d: %s is seen %d times", size, id, n)
			}
		}
	}
}
