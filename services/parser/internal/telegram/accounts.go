package telegram

import (
	"context"
	"errors"
	"fmt"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/session"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/ingest"
)

// adopt keeps a freshly logged in account and reads with it at once.
func (p *Pool) adopt(ctx context.Context, l *login, user *tg.User, storage *session.StorageMemory) error {
	saved, err := storage.LoadSession(ctx)
	if err != nil {
		return fmt.Errorf("take over the session: %w", err)
	}
	id := account.ID(user.ID)
	p.dismiss(id, errReplaced)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	lease, err := p.store.Adopt(ctx, account.Account{
		ID: id, Username: user.Username, MaskedPhone: account.MaskPhone(l.phone), State: account.Active, CreatedAt: p.now(),
	}, saved, p.owner)
	if err != nil {
		return fmt.Errorf("keep the account: %w", err)
	}
	p.log.Info("account logged in", "account", id)
	known, err := p.store.Account(ctx, id, p.now())
	if err != nil {
		return fmt.Errorf("read the account's waits: %w", err)
	}
	for _, f := range known.Floods {
		p.gate.Block(f)
	}
	if err := p.start(ctx, lease, saved); err != nil {
		return fmt.Errorf("read with the account: %w", err)
	}
	return nil
}

var (
	errReplaced  = errors.New("the account was logged in again")
	errLoggedOut = errors.New("the account was logged out")
)

// dismiss ends the reader of an account, if there is one, and returns when its socket is closed.
func (p *Pool) dismiss(id account.ID, why error) {
	p.mu.Lock()
	r := p.readers[id]
	p.mu.Unlock()
	if r == nil {
		return
	}
	r.stop(why)
	<-r.ended
}

// Logout ends the account's session at Telegram and forgets it here. An account that cannot read any more is only forgotten.
// account.ErrUnknown, account.ErrLeased, ingest.ErrUnreachable.
func (p *Pool) Logout(ctx context.Context, id account.ID) error {
	a, err := p.store.Account(ctx, id, p.now())
	if err != nil {
		return err
	}
	p.mu.Lock()
	r := p.readers[id]
	p.mu.Unlock()
	if r == nil && a.State.Readable() {
		return account.ErrLeased
	}
	if r != nil {
		if err := p.logOutAt(ctx, r); err != nil {
			return fmt.Errorf("log out account %d: %w", id, err)
		}
		p.dismiss(id, errLoggedOut)
	}
	if err := p.store.Delete(ctx, id); err != nil {
		return err
	}
	p.cache.forgetAll()
	p.log.Info("account logged out", "account", id)
	return nil
}

func (p *Pool) logOutAt(ctx context.Context, r *reader) error {
	answer, err := p.call(ctx, r, &tg.AuthLogOutRequest{})
	if errors.Is(err, ingest.ErrSession) {
		return nil // it was gone already
	}
	if err != nil {
		return err
	}
	var out tg.AuthLoggedOut
	if err := out.Decode(&bin.Buffer{Buf: answer}); err != nil {
		p.log.Warn("decode the answer to a logout", "account", r.id(), "err", err)
	}
	return nil
}
