// Package doors tests the locks of the whole: three services, each behind its own door with TLS, tokens and certificates, as they stand in production, and
// callers that have no token, too small a one, a stranger's certificate, or nothing but noise.
package doors
