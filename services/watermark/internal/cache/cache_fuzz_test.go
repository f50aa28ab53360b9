package cache

import (
	"testing"

	"google.golang.org/protobuf/proto"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
)

// FuzzCopy: whatever stands in Redis, a copy is exactly the mark wanted, or none.
func FuzzCopy(f *testing.F) {
	want := Wanted{Channel: 42, Stage: "parse", Etag: "z"}
	for _, w := range []*watermarkv1.Watermark{
		{ChannelId: 42, Stage: "parse", Etag: "z", HeadId: 9}, {ChannelId: 42, Stage: "parse", Etag: "y"}, {ChannelId: 43, Stage: "parse", Etag: "z"}, {},
	} {
		b, err := proto.Marshal(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
		f.Add(string(b[:len(b)/2]) + "\xff")
	}
	f.Fuzz(func(t *testing.T, kept string) {
		got := current(kept, want)
		if got == nil {
			return
		}
		if got.GetChannelId() != want.Channel || got.GetStage() != want.Stage || got.GetEtag() != want.Etag {
			t.Errorf("%x: got %v, want %v", kept, got, want)
		}
		if _, err := proto.Marshal(got); err != nil {
			t.Errorf("%x: cannot be answered: %v", kept, err)
		}
	})
}
