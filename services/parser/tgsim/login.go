package tgsim

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"

	"github.com/tidemark/tidemark/services/parser/tgsim/internal/wire"
	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

const tokenTTL = 30 // seconds that a QR code is shown for

// logins are the logins under way, by key.
type logins struct {
	mu        sync.Mutex
	byKey     map[*wire.Key]*login
	verifiers map[int64]*verifier // of accounts with a password, made when first needed
}

// login is how far one client has come.
type login struct {
	phone, codeHash string
	half            int64  // the account that only lacks its password
	exam            *exam  // of that password
	token           []byte // the QR code shown
	accepted        int64  // the account that scanned it
	session         *wire.Session
}

func newLogins() logins {
	return logins{byKey: map[*wire.Key]*login{}, verifiers: map[int64]*verifier{}}
}

// with gives fn the login of a key, alone.
func (l *logins) with(k *wire.Key, fn func(*login) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.byKey[k.Main()]
	if at == nil {
		at = &login{}
		l.byKey[k.Main()] = at
	}
	return fn(at)
}

// verifier is what is kept of an account's password; the caller is inside with.
func (l *logins) verifier(a world.Account) (*verifier, error) {
	if known := l.verifiers[a.ID]; known != nil {
		return known, nil
	}
	made, err := newVerifier(a.Password)
	if err == nil {
		l.verifiers[a.ID] = made
	}
	return made, err
}

func (c *call) checkApp(id int, hash string) error {
	if c.o.APIID != 0 && (id != c.o.APIID || hash != c.o.APIHash) {
		return tgerr.New(400, "API_ID_INVALID")
	}
	return nil
}

func (c *call) sendCode() error {
	var r tg.AuthSendCodeRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	if err := c.checkApp(r.APIID, r.APIHash); err != nil {
		return err
	}
	if _, ok := c.world.ByPhone(r.PhoneNumber); !ok {
		return tgerr.New(400, "PHONE_NUMBER_INVALID")
	}
	hash := hex.EncodeToString(nonce(9))
	_ = c.logins.with(c.session.Key(), func(l *login) error {
		l.phone, l.codeHash = r.PhoneNumber, hash
		return nil
	})
	return (&tg.AuthSentCode{Type: &tg.AuthSentCodeTypeApp{Length: 5}, PhoneCodeHash: hash, Timeout: 120}).Encode(c.out)
}

func (c *call) signIn() error {
	var r tg.AuthSignInRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	return c.logins.with(c.session.Key(), func(l *login) error {
		account, ok := c.world.ByPhone(r.PhoneNumber)
		switch {
		case !ok || l.phone != r.PhoneNumber:
			return tgerr.New(400, "PHONE_NUMBER_INVALID")
		case l.codeHash == "" || l.codeHash != r.PhoneCodeHash:
			return tgerr.New(400, "PHONE_CODE_EXPIRED")
		case r.PhoneCode == "":
			return tgerr.New(400, "PHONE_CODE_EMPTY")
		case account.Code != r.PhoneCode:
			return tgerr.New(400, "PHONE_CODE_INVALID")
		}
		return c.enter(l, account, c.authorization)
	})
}

// enter logs the client in, unless a password is still to be asked for.
func (c *call) enter(l *login, a world.Account, answer func(world.Account) bin.Encoder) error {
	if a.Password != "" {
		l.half = a.ID
		return tgerr.New(401, "SESSION_PASSWORD_NEEDED")
	}
	if err := c.keys.Login(c.session.Key(), a.ID); err != nil {
		return err
	}
	*l = login{}
	return answer(a).Encode(c.out)
}

func (c *call) authorization(a world.Account) bin.Encoder {
	return &tg.AuthAuthorization{User: self(a)}
}

func (c *call) logOut() error {
	if err := c.keys.Login(c.session.Key(), 0); err != nil {
		return err
	}
	return (&tg.AuthLoggedOut{}).Encode(c.out)
}

func (c *call) exportLoginToken() error {
	var r tg.AuthExportLoginTokenRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	if err := c.checkApp(r.APIID, r.APIHash); err != nil {
		return err
	}
	return c.logins.with(c.session.Key(), func(l *login) error {
		if a, ok := c.world.ByID(l.accepted); ok {
			return c.enter(l, a, func(a world.Account) bin.Encoder {
				return &tg.AuthLoginTokenSuccess{Authorization: &tg.AuthAuthorization{User: self(a)}}
			})
		}
		l.token, l.session = nonce(16), c.session
		return (&tg.AuthLoginToken{Expires: int(c.o.Now().Unix()) + tokenTTL, Token: l.token}).Encode(c.out)
	})
}

// ErrNoToken is the answer of Scan when no client shows a QR code.
var ErrNoToken = errors.New("no client waits for its QR code to be scanned")

// Scan accepts the QR code of every client that shows one, as the owner of the phone would with the Telegram app.
func (s *Server) Scan(phone string) error {
	a, ok := s.world.ByPhone(phone)
	if !ok {
		return world.ErrAccount
	}
	var b bin.Buffer
	if err := s.updates(&tg.UpdateLoginToken{}).Encode(&b); err != nil {
		return err
	}
	s.logins.mu.Lock()
	defer s.logins.mu.Unlock()
	err := ErrNoToken
	for _, l := range s.logins.byKey {
		if l.token != nil {
			err, l.accepted, l.token = nil, a.ID, nil
			l.session.Push(b.Buf)
		}
	}
	return err
}

// bindTempAuthKey ties a temporary key to the permanent one, for clients that want forward secrecy.
func (c *call) bindTempAuthKey() error {
	var r tg.AuthBindTempAuthKeyRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	if len(r.EncryptedMessage) < 8 {
		return tgerr.New(400, "ENCRYPTED_MESSAGE_INVALID")
	}
	perm := c.keys.Get([8]byte(r.EncryptedMessage[:8]))
	if perm == nil || perm.IntID() != r.PermAuthKeyID {
		return tgerr.New(400, "ENCRYPTED_MESSAGE_INVALID")
	}
	c.session.Key().Bind(perm)
	return (&tg.BoolTrue{}).Encode(c.out)
}

func nonce(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
