package rpc

import (
	"context"

	watermarkv1 "github.com/tidemark/tidemark/gen/tidemark/watermark/v1"
	"github.com/tidemark/tidemark/services/watermark/internal/cache"
	"github.com/tidemark/tidemark/services/watermark/internal/mark"
)

// read answers the marks that exist, in the order asked, as copies where those are current.
func (s *Server) read(ctx context.Context, keys []mark.Key) ([]*watermarkv1.Watermark, error) {
	if s.cache == nil {
		marks, err := s.store.Get(ctx, keys)
		return fromMarks(marks), err
	}
	versions, err := s.store.Versions(ctx, keys)
	if err != nil {
		return nil, err
	}
	known := s.copies(ctx, keys, versions)
	var unknown []mark.Key
	for k := range versions {
		if known[k] == nil {
			unknown = append(unknown, k)
		}
	}
	if err := s.fetch(ctx, unknown, known); err != nil {
		return nil, err
	}
	var found []*watermarkv1.Watermark
	for _, k := range keys {
		if w := known[k]; w != nil {
			found = append(found, w)
		}
	}
	return found, nil
}

// copies are what the cache has of the marks in their present versions.
func (s *Server) copies(ctx context.Context, keys []mark.Key, versions map[mark.Key]int64) map[mark.Key]*watermarkv1.Watermark {
	var stored []mark.Key
	var wanted []cache.Wanted
	for _, k := range keys {
		if v, ok := versions[k]; ok {
			stored = append(stored, k)
			wanted = append(wanted, cache.Wanted{Channel: int64(k.Channel), Stage: string(k.Stage), Etag: toEtag(v)})
		}
	}
	known := make(map[mark.Key]*watermarkv1.Watermark, len(stored))
	for i, w := range s.cache.Get(ctx, wanted) {
		if w != nil {
			known[stored[i]] = w
		}
	}
	return known
}

// fetch adds marks from Postgres to known, and leaves copies of them for the next reader.
func (s *Server) fetch(ctx context.Context, keys []mark.Key, known map[mark.Key]*watermarkv1.Watermark) error {
	if len(keys) == 0 {
		return nil
	}
	marks, err := s.store.Get(ctx, keys)
	if err != nil {
		return err
	}
	fresh := fromMarks(marks)
	for i, m := range marks {
		known[m.Key] = fresh[i]
	}
	s.cache.Put(ctx, fresh)
	return nil
}
