// Package contract holds the tests of our word to users: what the contract's descriptors must say, whatever else changes.
//
// Its first rule is the one this project starts from: an instant on a wire is a google.protobuf.Timestamp, and nothing else.
package contract
