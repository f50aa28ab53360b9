// Package suite is the whole as one: the three services in one process, with gRPC between them, on private or given stores.
//
// There is no special path for the all-in-one. The same faces are opened as in the three separate programs, registered on one
// server, and dialled through an in-memory connection with the same interceptors and the same serialization.
package suite
