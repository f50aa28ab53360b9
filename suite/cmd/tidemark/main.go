// Command tidemark is what people type: the whole in one process, and the commands that talk to it.
package main

import (
	"github.com/tidemark/tidemark/kit/locks"
	"github.com/tidemark/tidemark/kit/run"
)

func main() {
	run.Main("tidemark", "Follows Telegram channels into Postgres and Redis Streams without losing a message.", &struct {
		Demo       demoCmd       `cmd:"" help:"See it work: ten channels of a simulated Telegram, nothing to install or log in to."`
		Up         upCmd         `cmd:"" help:"Run the three services in one process."`
		Login      loginCmd      `cmd:"" help:"Log a Telegram account in."`
		Channel    channelCmd    `cmd:"" help:"Follow channels, pause, resume or drop them."`
		Quarantine quarantineCmd `cmd:"" help:"Show messages that cannot be read, and try them again."`
		Status     statusCmd     `cmd:"" help:"Show how everything is."`
		Certs      locks.Certs   `cmd:"" help:"Make the certificates that services know each other by."`
		Tokens     locks.Tokens  `cmd:"" help:"Make, list and revoke bearer tokens."`
		Keys       keysCmd       `cmd:"" help:"Change the key that seals Telegram sessions."`
		Version    versionCmd    `cmd:"" help:"Show which build this is."`
	}{})
}
