package rpc

import (
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// What a server bears. The age of a connection has no bound: watchers stay for days, and a lost one is noticed by the pings.
const (
	// MaxMessage bounds a request, in bytes. An answer may be larger: a page of a thousand posts is.
	MaxMessage = 4 << 20
	// MaxAnswer bounds an answer, in bytes, on both ends.
	MaxAnswer = 64 << 20
	// MaxConnections is for Bounded: what one port serves at once.
	MaxConnections = 1000
	// maxCalls bounds the calls under way on one connection; more wait at the client. A scheduler has up to a thousand workers on one.
	maxCalls = 1000
	// maxStreams bounds the open streams of all connections together.
	maxStreams = 256
	// maxHeaders bounds the metadata of a call, in bytes.
	maxHeaders = 32 << 10
	// greeting is how long a new connection has to say what it is.
	greeting = 10 * time.Second
	// idle is when a connection without calls is closed; a client of ours opens it again by itself.
	idle = 15 * time.Minute
	// pingEvery and pingTimeout find a client that is dead or behind a cut wire: its calls and streams end within their sum.
	pingEvery, pingTimeout = 30 * time.Second, 10 * time.Second
	// leastPing is how often a client may ping; one that does it more often is cut off.
	leastPing = 10 * time.Second
)

func limits() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxAnswer),
		grpc.MaxConcurrentStreams(maxCalls),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(greeting),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingTimeout, MaxConnectionIdle: idle}),
	}
}
