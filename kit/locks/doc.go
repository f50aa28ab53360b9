// Package locks is what keeps certificates and tokens, as commands that a program offers to people and to containers: `tidemark certs` and `tidemark
// tokens` for whoever arranges the files, and for a Docker stack the same on volumes, so that nobody has to arrange any. What the files are is said in
// kit/auth.
//
// Below one folder, each of its parts being a volume that is shown only to whom it concerns:
//
//	ca/           the authority with its key, for this program only
//	shared/       ca.crt and tokens.json, for everybody
//	NAME/         the certificate and key of one service, or the token of one program
package locks
