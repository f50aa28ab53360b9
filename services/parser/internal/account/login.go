package account

import (
	"errors"
	"fmt"
)

// LoginState is where a login stands.
type LoginState int

// The states of a login, in order.
const (
	CodeNeeded LoginState = iota + 1
	PasswordNeeded
	LoggedIn
)

// LoginStep is one thing that a login tells its caller.
type LoginStep struct {
	Login   string // names the login for the code and the password
	State   LoginState
	Account ID // with LoggedIn
}

// What can go wrong with a login. A wrong code or password leaves it open for another try.
var (
	ErrPhone     = errors.New("telegram knows no such phone number")
	ErrCode      = errors.New("the code is wrong")
	ErrCodeStale = errors.New("the code is no longer valid: start the login again")
	ErrPassword  = errors.New("the password is wrong")
	ErrNoLogin   = errors.New("no such login is open: it ended, was never started, or its caller went away")
	ErrOrder     = errors.New("the login does not wait for that now")
	ErrSignUp    = errors.New("the phone has no Telegram account yet: sign up with an official app first")
	ErrAPIID     = errors.New("telegram refuses the API id and hash: take them from https://my.telegram.org")
	ErrAbandoned = errors.New("the login was not finished in time: start it again")
)

// UnreachableError is a datacenter that does not answer.
type UnreachableError struct {
	Address string
	Reason  string
}

// Error names the address.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("telegram at %s cannot be reached: %s", e.Address, e.Reason)
}

// ServerKeyError is a datacenter that proves itself with none of the public keys we were given.
type ServerKeyError struct {
	Address string
	File    string // empty: Telegram's own keys, built in
}

// Error says what to look at.
func (e *ServerKeyError) Error() string {
	file := e.File
	if file == "" {
		file = "the built-in list of Telegram's keys"
	}
	return fmt.Sprintf("the server at %s accepts none of the keys in %s: check the address and the key file", e.Address, file)
}
