package postgres

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tidemark/tidemark/services/parser/internal/ingest"
	"github.com/tidemark/tidemark/services/parser/internal/outbox"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
	"github.com/tidemark/tidemark/services/parser/internal/wire"
)

// FuzzStored: whatever a row's documents hold, by an older version or another hand, reading it gives a post that can be sent, or an error.
func FuzzStored(f *testing.F) {
	post := ingest.Post{
		Entities: []ingest.Entity{{Kind: "bold", Length: 3, Value: "v", RefID: 1}}, Reactions: []ingest.Reaction{{Emoji: "👍", Count: 1}, {Paid: true}, {Other: "x"}},
		Forward: &ingest.Forward{From: ingest.Peer{Kind: ingest.ChannelPeer, ID: 7}, FromName: "n"}, ReplyTo: &ingest.Reply{Message: 3, Quote: "q"},
		Media: &ingest.Media{Kind: ingest.MediaVideo, Size: 1 << 40, Duration: 1e9},
	}
	for _, document := range []any{post.Entities, post.Reactions, post.Forward, post.ReplyTo, post.Media, nil, "text", map[string]any{"duration": 1e300, "from": []int{1}, "posted_at": "x"}} {
		b, err := json.Marshal(document)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte(`{"kind":"\ud800","posted_at":"9999-12-31T23:59:59Z"}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		for i, row := range []db.ParserPost{{Entities: document}, {Reactions: document}, {Forward: document}, {ReplyTo: document}, {Media: document}} {
			p, err := toPost(row)
			if err != nil {
				continue
			}
			if _, err := proto.Marshal(wire.Post(&p)); err != nil {
				t.Errorf("%q as document %d: cannot be answered: %v", document, i, err)
			}
			if _, err := outbox.Encode(ingest.Event{Kind: ingest.Edited, Post: &p}); err != nil {
				t.Errorf("%q as document %d: cannot be published: %v", document, i, err)
			}
		}
	})
}
