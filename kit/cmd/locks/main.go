// Command locks makes the certificates and tokens of the Docker stack, on its volumes; see deploy/compose/locked.yaml.
package main

import (
	"github.com/tidemark/tidemark/kit/locks"
	"github.com/tidemark/tidemark/kit/run"
)

func main() {
	run.Main("locks", "Keeps the certificates and tokens of a Docker stack.", &struct {
		Keep   locks.Keep      `cmd:"" help:"Make what is missing of authority, certificates and tokens file, and renew what nears its end."`
		Give   locks.Give      `cmd:"" help:"Keep a token in a file for a program."`
		CA     locks.Authority `cmd:"" name:"ca" help:"Show the certificate of the authority, for whoever calls."`
		Tokens locks.Tokens    `cmd:"" help:"Make, list and revoke bearer tokens."`
	}{})
}
