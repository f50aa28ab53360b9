// Package auth puts locks on a gRPC server: who calls, what they may do, how often, and what is written down about it.
//
// A caller is known by a bearer token, by the certificate that it showed in the TLS handshake, or, where nothing is locked, by nothing at all.
// What a call needs is said by the contract itself, in options of each method; a method that forgot to say it needs the greatest scope. All files (tokens, certificates,
// authorities) are followed: what is written there counts from the next call or handshake on, without a restart.
package auth

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Scope is what a caller may do. A greater one includes the smaller.
type Scope int

// The scopes. Their numbers are the contract's.
const (
	None Scope = iota
	Read
	Operate
	Admin
)

var scopes = []string{"none", "read", "operate", "admin"}

// String is the scope's name.
func (s Scope) String() string {
	if s < 0 || int(s) >= len(scopes) {
		return fmt.Sprintf("scope %d", int(s))
	}
	return scopes[s]
}

// MarshalText is the scope's name.
func (s Scope) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText takes the name of a scope that can be given: read, operate or admin.
func (s *Scope) UnmarshalText(text []byte) error {
	i := slices.Index(scopes, string(text))
	if i <= 0 {
		return fmt.Errorf("scope %q is none of read, operate, admin", text)
	}
	*s = Scope(i)
	return nil
}

// Need is what a method asks of its caller.
type Need struct {
	Open     bool     // asks nothing
	Scope    Scope    // the least that a caller must have
	Services []string // whose certificate alone is enough, by common name
	Said     bool     // the contract says so; else it is the rule for what the contract forgot
	Reads    bool     // changes nothing: not audited
}

const (
	healthService = "/grpc.health.v1.Health/"
	reflection    = "/grpc.reflection."
	// The contract's options are read by name: kit does not import it.
	scopeOption    = protoreflect.FullName("tidemark.auth.v1.scope")
	servicesOption = protoreflect.FullName("tidemark.auth.v1.services")
)

// needs remembers what methods ask.
type needs struct{ known sync.Map } // full method -> Need

func (n *needs) of(method string) Need {
	if need, ok := n.known.Load(method); ok {
		return need.(Need) //nolint:forcetypeassert // only Needs are stored
	}
	need := NeedOf(method)
	if need.Said { // what callers make up must not fill our memory
		n.known.Store(method, need)
	}
	return need
}

// NeedOf is what "/package.Service/Method" asks of its caller: health is open to all, reflection is for readers, the rest says itself.
func NeedOf(method string) Need {
	switch {
	case strings.HasPrefix(method, healthService):
		return Need{Open: true, Said: true, Reads: true}
	case strings.HasPrefix(method, reflection):
		return Need{Scope: Read, Said: true, Reads: true}
	}
	forgot := Need{Scope: Admin}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", ".")))
	if err != nil {
		return forgot
	}
	options := found.Options()
	scope, ok := option(options, scopeOption)
	if !ok || scope.Enum() < protoreflect.EnumNumber(Read) || scope.Enum() > protoreflect.EnumNumber(Admin) {
		return forgot
	}
	need := Need{Scope: Scope(scope.Enum()), Said: true, Reads: Scope(scope.Enum()) == Read}
	if services, ok := option(options, servicesOption); ok {
		for i := range services.List().Len() {
			need.Services = append(need.Services, services.List().Get(i).String())
		}
	}
	return need
}

func option(options proto.Message, name protoreflect.FullName) (v protoreflect.Value, ok bool) {
	extension, err := protoregistry.GlobalTypes.FindExtensionByName(name)
	if err != nil || !options.ProtoReflect().IsValid() {
		return v, false
	}
	if !proto.HasExtension(options, extension) {
		return v, false
	}
	return options.ProtoReflect().Get(extension.TypeDescriptor()), true
}
