package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tidemark/tidemark/kit/pg/pgtest"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/outbox"
	"github.com/tidemark/tidemark/services/parser/internal/postgres"
)

// typical is a page of 100 posts as channels have them: text of some length, counters, some entities, now and then media.
func typical(first ingest.MessageID) ingest.Page {
	page := ingest.Page{Covered: ingest.Range{First: first, Last: first + 99}, ReadAt: time.Now().UTC()}
	for id := first; id < first+100; id++ {
		views, forwards := int32(1000+id), int32(7)
		p := ingest.Post{
			Message: id, PostedAt: page.ReadAt.Truncate(time.Second), Views: &views, Forwards: &forwards, Raw: make([]byte, 400),
			Text:     fmt.Sprintf("message %d: %0300d", id, id),
			Entities: []ingest.Entity{{Kind: "bold", Length: 7}, {Kind: "url", Offset: 20, Length: 12}},
		}
		if id%3 == 0 {
			p.Media = &ingest.Media{Kind: ingest.MediaPhoto, FileID: int64(id) << 30, Width: 1280, Height: 720}
		}
		if id%4 == 0 {
			p.Reactions = []ingest.Reaction{{Emoji: "👍", Count: 12}, {Emoji: "🔥", Count: 3}}
		}
		page.Posts = append(page.Posts, p)
	}
	return page
}

func BenchmarkSavePage(b *testing.B) {
	for _, tc := range []struct {
		name  string
		first func(i int) ingest.MessageID
	}{
		{"new", func(i int) ingest.MessageID { return ingest.MessageID(i*100 + 1) }},
		{"known", func(int) ingest.MessageID { return 1 }},
	} {
		b.Run(tc.name, func(b *testing.B) {
			pool := pgtest.New(b, postgres.Schema, postgres.Migrations())
			if err := postgres.NewOutbox(pool).KeepDays(b.Context(), time.Now(), time.Hour); err != nil {
				b.Fatal(err)
			}
			store := postgres.NewPosts(pool, outbox.Encode, func() {})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := store.SavePage(b.Context(), 42, typical(tc.first(i)), time.Now()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "posts/s")
		})
	}
}
