// Package e2e is one thread through the whole house: a simulated Telegram, real Postgres and Redis, the three services as they are
// shipped, and scenarios that read like a script. It looks at the whole only from outside: gRPC, SQL, the stream, and Telegram's side.
package e2e
