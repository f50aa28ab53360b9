package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// limits are what an image may weigh at most, unpacked, in bytes.
var limits = map[string]int64{"watermark": 25e6, "scheduler": 25e6}

// small weighs the images.
func (s *stack) small(ctx context.Context) error {
	var heavy []error
	for _, name := range []string{"scheduler", "watermark", "parser", "tgsim", "demo", "locks"} {
		text, err := s.docker(ctx, "image", "inspect", "-f", "{{.Size}}", "tidemark/"+name+":"+s.values["VERSION"].Reveal())
		if err != nil {
			return err
		}
		var size int64
		if _, err := fmt.Sscan(text, &size); err != nil {
			return err
		}
		s.say("    image %-10s %.1f MB", name, float64(size)/1e6)
		if limit := limits[name]; limit > 0 && size > limit {
			heavy = append(heavy, fmt.Errorf("the image of %s has %.1f MB, want %.0f at most", name, float64(size)/1e6, float64(limit)/1e6))
		}
	}
	return errors.Join(heavy...)
}

// container is what the engine says about one.
type container struct {
	Name   string
	Config struct {
		User   string
		Labels map[string]string
	}
	Mounts []struct {
		Name string
		RW   bool
	}
	Host struct {
		ReadonlyRootfs bool
		Privileged     bool
		CapDrop        []string
		CapAdd         []string
		SecurityOpt    []string
		Memory         int64
		NanoCpus       int64
		PidsLimit      int64
	} `json:"HostConfig"`
	NetworkSettings struct {
		Ports map[string][]struct{ HostIP string }
	}
}

// locked looks at every container: nobody is root, nothing is writable but what must be, nothing can be had beyond that, no port is open to the world.
func (s *stack) locked(ctx context.Context) error {
	ids, err := s.containers(ctx, "")
	if err != nil {
		return err
	}
	text, err := s.docker(ctx, append([]string{"inspect"}, ids...)...)
	if err != nil {
		return err
	}
	var all []container
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return err
	}
	if len(all) < 8 {
		return fmt.Errorf("%d containers, want 8", len(all))
	}
	var open []error
	for _, c := range all {
		for what, wrong := range map[string]bool{
			"runs as " + c.Config.User: c.Config.User == "" || c.Config.User == "root" || strings.HasPrefix(c.Config.User, "0"),
			"has a writable root":      !c.Host.ReadonlyRootfs,
			"has capabilities":         !slices.Equal(c.Host.CapDrop, []string{"ALL"}) || len(c.Host.CapAdd) > 0 || c.Host.Privileged,
			"may gain privileges":      !slices.Contains(c.Host.SecurityOpt, "no-new-privileges:true"),
			"has no limits":            c.Host.Memory == 0 || c.Host.NanoCpus == 0 || c.Host.PidsLimit == 0,
			"is open to the world":     c.world(),
			"has a lock of others":     !c.own(),
		} {
			if wrong {
				open = append(open, fmt.Errorf("%s %s", c.Name, what))
			}
		}
	}
	return errors.Join(open...)
}

// keeper is true of those who make locks.
func (c container) keeper() bool {
	return slices.Contains([]string{"locks", "renewal", "demo-locks"}, c.service())
}

func (c container) service() string { return c.Config.Labels["com.docker.compose.service"] }

// own is true of who sees, of all that locks are made of, what is shared and what is its own, and cannot write it; and of those who make them.
func (c container) own() bool {
	for _, m := range c.Mounts {
		_, name, is := strings.Cut(m.Name, "_locks-")
		if is && !c.keeper() && (m.RW || name != "shared" && name != strings.TrimSuffix(c.service(), "-setup")) {
			return false
		}
		if is && name == "ca" && c.service() == "demo-locks" {
			return false
		}
	}
	return true
}

func (c container) world() bool {
	for _, bound := range c.NetworkSettings.Ports {
		for _, b := range bound {
			if b.HostIP != "127.0.0.1" {
				return true
			}
		}
	}
	return false
}

// roles tries, as each role and user, what is another's.
func (s *stack) roles(ctx context.Context) error {
	tables := map[string]string{"scheduler": "scheduler.channels", "parser": "parser.posts", "watermark": "watermark.goose_db_version"}
	for role, own := range tables {
		db, err := s.postgres(ctx, role)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close(context.WithoutCancel(ctx)) }()
		if _, err := db.Exec(ctx, "SELECT count(*) FROM "+own); err != nil {
			return fmt.Errorf("%s cannot read its own: %w", role, err)
		}
		for other, table := range tables {
			forbidden := []string{"SELECT count(*) FROM " + table, "CREATE TABLE " + other + ".x ()", "DROP SCHEMA " + other + " CASCADE", "SET ROLE " + other, "CREATE TABLE public.x ()", "CREATE ROLE x"}
			for _, sql := range forbidden {
				_, err := db.Exec(ctx, sql)
				var refused *pgconn.PgError
				if other != role && (!errors.As(err, &refused) || refused.Code != "42501" && refused.Code != "42704") {
					return fmt.Errorf("%s may %s: %w", role, sql, err)
				}
				if other == role {
					break // its own, but for the first, which changes nothing
				}
			}
		}
	}
	return s.users(ctx)
}

func (s *stack) users(ctx context.Context) error {
	for user, forbidden := range map[string][][]any{
		"parser":    {{"GET", "tidemark:watermark:x"}, {"FLUSHALL"}, {"CONFIG", "GET", "*"}, {"ACL", "LIST"}},
		"watermark": {{"XADD", "tidemark:posts", "*", "a", "b"}, {"XRANGE", "tidemark:posts", "-", "+"}, {"SET", "other", "1"}, {"FLUSHALL"}},
		"health":    {{"XLEN", "tidemark:posts"}, {"GET", "x"}, {"ACL", "WHOAMI"}},
		"reader":    {{"XADD", "tidemark:posts", "*", "a", "b"}, {"DEL", "tidemark:posts"}, {"XTRIM", "tidemark:posts", "MAXLEN", "0"}, {"KEYS", "*"}},
	} {
		client, err := s.redis(ctx, user)
		if err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
		for _, command := range forbidden {
			if err := client.Do(ctx, command...).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
				return fmt.Errorf("redis user %s may %v: %w", user, command, err)
			}
		}
	}
	nobody, err := s.redis(ctx, "")
	if err != nil {
		return err
	}
	defer func() { _ = nobody.Close() }()
	if err := nobody.Ping(ctx).Err(); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		return fmt.Errorf("who names no user gets into Redis: %w", err)
	}
	return nil
}

// eventually does something until it succeeds.
func (s *stack) eventually(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, healthyWithin)
	defer cancel()
	for {
		err := do(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(500 * time.Millisecond):
		}
	}
}
