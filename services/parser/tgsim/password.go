package tgsim

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"math/big"

	"github.com/gotd/td/crypto"
	"github.com/gotd/td/crypto/srp"
	"github.com/gotd/td/exchange"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

// exam is one check of a password by SRP: the server's half of https://core.telegram.org/api/srp.
type exam struct {
	*verifier
	id int64
	b  *big.Int
	gb []byte
}

const generator = 3

// verifier is what the datacenter keeps of a password.
type verifier struct {
	algo tg.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow
	v, p *big.Int
}

func newVerifier(password string) (*verifier, error) {
	p, err := exchange.TestServerRNG{}.DhPrime()
	if err != nil {
		return nil, err
	}
	k := &verifier{p: p}
	k.algo.Salt1, k.algo.Salt2, k.algo.G, k.algo.P = nonce(8), nonce(16), generator, p.Bytes()
	v, salt, err := srp.NewSRP(crypto.DefaultRand()).NewHash([]byte(password), srp.Input(k.algo))
	if err != nil {
		return nil, err
	}
	k.algo.Salt1, k.v = salt, number(v)
	return k, nil
}

func newExam(of *verifier) *exam {
	e := &exam{verifier: of, id: int64(binary.LittleEndian.Uint64(nonce(8)) >> 1), b: number(nonce(256))}
	k := number(hash(e.algo.P, pad(big.NewInt(generator))))
	gb := new(big.Int).Exp(big.NewInt(generator), e.b, e.p)
	e.gb = pad(gb.Add(gb, k.Mul(k, e.v)).Mod(gb, e.p))
	return e
}

// passes tells whether the client knows the password.
func (e *exam) passes(answer *tg.InputCheckPasswordSRP) bool {
	a := number(answer.A)
	if len(answer.A) > 256 || a.Sign() == 0 || a.Cmp(e.p) >= 0 {
		return false
	}
	u := number(hash(pad(a), e.gb))
	s := new(big.Int).Exp(e.v, u, e.p)
	s.Mul(s, a).Mod(s, e.p).Exp(s, e.b, e.p)
	hp, hg := hash(e.algo.P), hash(pad(big.NewInt(generator)))
	subtle.XORBytes(hp, hp, hg)
	m1 := hash(hp, hash(e.algo.Salt1), hash(e.algo.Salt2), pad(a), e.gb, hash(pad(s)))
	return bytes.Equal(m1, answer.M1)
}

func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

func pad(n *big.Int) []byte { return n.FillBytes(make([]byte, 256)) }

func hash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

// getPassword tells how the password is to be proved. The account is the one that lacks only it, or the one logged in.
func (c *call) getPassword() error {
	answer := &tg.AccountPassword{SecureRandom: nonce(256), NewSecureAlgo: &tg.SecurePasswordKdfAlgoUnknown{},
		NewAlgo: &tg.PasswordKdfAlgoUnknown{}}
	err := c.logins.with(c.session.Key(), func(l *login) error {
		account, ok := c.world.ByID(max(l.half, c.account))
		if !ok {
			return tgerr.New(401, "AUTH_KEY_UNREGISTERED")
		}
		if account.Password == "" {
			return nil
		}
		known, err := c.logins.verifier(account)
		if err != nil {
			return err
		}
		l.exam = newExam(known)
		answer.HasPassword, answer.SRPB, answer.SRPID = true, l.exam.gb, l.exam.id
		answer.CurrentAlgo, answer.Hint = &l.exam.algo, "the usual"
		return nil
	})
	if err != nil {
		return err
	}
	return answer.Encode(c.out)
}

func (c *call) checkPassword() error {
	var r tg.AuthCheckPasswordRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	return c.logins.with(c.session.Key(), func(l *login) error {
		account, ok := c.world.ByID(l.half)
		answer, isSRP := r.Password.(*tg.InputCheckPasswordSRP)
		switch {
		case !ok || l.exam == nil:
			return tgerr.New(401, "AUTH_KEY_UNREGISTERED")
		case !isSRP || answer.SRPID != l.exam.id:
			return tgerr.New(400, "SRP_ID_INVALID")
		case !l.exam.passes(answer):
			return tgerr.New(400, "PASSWORD_HASH_INVALID")
		}
		account.Password = ""
		return c.enter(l, account, c.authorization)
	})
}
