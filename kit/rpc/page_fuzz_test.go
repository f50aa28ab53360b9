package rpc

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// paged is a request with a page token.
type paged struct {
	proto.Message
	token string
}

func (p paged) GetPageToken() string { return p.token }

// FuzzPageToken: a token is ours, or refused with one text whatever it holds.
func FuzzPageToken(f *testing.F) {
	query := wrapperspb.String("a query")
	f.Add(PageToken(query, struct{ Channel int64 }{7}))
	f.Add(PageToken(wrapperspb.String("another"), struct{ Channel int64 }{7}))
	f.Add(PageToken(query, "no cursor"))
	f.Add(PageToken(query, nil))
	f.Add("e30")
	f.Add("!")
	f.Fuzz(func(t *testing.T, token string) {
		cursor := struct {
			Channel int64
			Stage   string
		}{Channel: 3}
		before := cursor
		err := ReadPageToken(paged{query, token}, &cursor)
		switch {
		case token == "" && (err != nil || cursor != before):
			t.Errorf("no token: got %v and %+v", err, cursor)
		case err != nil && (status.Code(err) != codes.InvalidArgument || Field(err) != "page_token" || strings.Contains(err.Error(), "json") || strings.Contains(err.Error(), "base64")):
			t.Errorf("%q: got %v, want INVALID_ARGUMENT in our words", token, err)
		}
		if other := (paged{wrapperspb.String("another query"), token}); err == nil && token != "" && ReadPageToken(other, &cursor) == nil {
			t.Errorf("%q: taken for two queries", token)
		}
	})
}

// FuzzRequest: whatever bytes come as a request, it is decoded and its instants are good, or it is refused.
func FuzzRequest(f *testing.F) {
	checks, codec := &instants{}, newTolerant()
	empty := request(f, nil, "one")
	for _, seed := range [][]byte{nil, {0xff}, {0x0a, 0x00}, {0x0a, 0x02, 0x08, 0x01}, {0x12, 0x04, 0x0a, 0x02, 0x08, 0x01}, {0x0a, 0x0b, 0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, {0xf8, 0xe1, 0x09, 0x01}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m := dynamicpb.NewMessage(empty.ProtoReflect().Descriptor())
		data, _ := bytesCodec{}.Marshal(body)
		if err := codec.Unmarshal(data, m); err != nil {
			t.Fatalf("%x: %v, which gRPC would call INTERNAL", body, err)
		}
		if err := checks.check(m); err != nil && status.Code(err) != codes.InvalidArgument {
			t.Errorf("%x: got %v", body, err)
		}
	})
}
