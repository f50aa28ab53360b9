package rpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

// PageSize is how many to answer: 0 means 100, at most 1000.
func PageSize(asked int32) (int, error) {
	switch {
	case asked < 0 || asked > maxPage:
		return 0, InvalidField("page_size", fmt.Sprintf("%d is out of range: 1 to %d, or 0 for %d", asked, maxPage, defaultPage))
	case asked == 0:
		return defaultPage, nil
	}
	return int(asked), nil
}

type pageToken struct {
	Query  string
	Cursor json.RawMessage
}

// PageToken is an opaque token that goes on behind cursor, bound to the filters of req.
func PageToken(req proto.Message, cursor any) string {
	at, err := json.Marshal(cursor)
	if err != nil {
		panic(fmt.Errorf("page cursor %T: %w", cursor, err)) // cursors are plain structs
	}
	token, _ := json.Marshal(pageToken{fingerprint(req), at})
	return base64.RawURLEncoding.EncodeToString(token)
}

// ReadPageToken reads the cursor of req's page_token into cursor; an empty token leaves it as it is. A token of another query is refused.
func ReadPageToken(req interface {
	proto.Message
	GetPageToken() string
}, cursor any) error {
	if req.GetPageToken() == "" {
		return nil
	}
	var token pageToken
	raw, err := base64.RawURLEncoding.DecodeString(req.GetPageToken())
	if err == nil {
		err = json.Unmarshal(raw, &token)
	}
	if err == nil {
		err = json.Unmarshal(token.Cursor, cursor)
	}
	if err != nil || bytes.Contains(token.Cursor, []byte(`\u0000`)) || // none of ours has a NUL, and no table takes it
		token.Query != fingerprint(req) {
		return InvalidField("page_token", "is not from an answer to this query: keep the filters, or start without a token")
	}
	return nil
}

// fingerprint names a query by all its fields but those that page it.
func fingerprint(req proto.Message) string {
	query := proto.Clone(req).ProtoReflect()
	for _, name := range []string{"page_token", "page_size"} {
		if f := query.Descriptor().Fields().ByName(protoreflect.Name(name)); f != nil {
			query.Clear(f)
		}
	}
	bytes, _ := proto.MarshalOptions{Deterministic: true}.Marshal(query.Interface())
	sum := sha256.Sum256(append([]byte(query.Descriptor().FullName()), bytes...))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}
