package postgres

import (
	"cmp"
	"time"

	"github.com/tidemark/tidemark/services/parser/internal/account"
	"github.com/tidemark/tidemark/services/parser/internal/postgres/db"
)

func toAccounts(rows []db.ListAccountsRow, floods []db.ParserFlood) []account.Account {
	accounts := make([]account.Account, len(rows))
	for i, r := range rows {
		accounts[i] = account.Account{
			ID: account.ID(r.ID), Username: r.Username, MaskedPhone: r.MaskedPhone, State: account.State(r.State), CreatedAt: r.CreatedAt,
		}
		if r.LastOkAt != nil {
			accounts[i].LastOKAt = *r.LastOkAt
		}
		for _, f := range floods {
			if f.AccountID == r.ID {
				accounts[i].Floods = append(accounts[i].Floods, account.Flood{
					Account: account.ID(r.ID), Method: f.Method, Since: f.ToldAt, Until: f.BlockedUntil,
				})
			}
		}
	}
	return accounts
}

func toPeer(r db.ParserPeer) account.Peer {
	return account.Peer{
		Account: account.ID(r.AccountID), Channel: r.ChannelID, AccessHash: r.AccessHash, Username: r.Username, Title: r.Title,
		Supergroup: r.Kind == supergroup, Protected: r.Protected, ResolvedAt: r.ResolvedAt,
	}
}

// The values of parser.peers.kind.
const (
	broadcast  = "channel"
	supergroup = "supergroup"
)

func fromPeers(peers []account.Peer) (columns db.SavePeersParams) {
	for _, p := range peers {
		kind := broadcast
		if p.Supergroup {
			kind = supergroup
		}
		columns.ChannelIds = append(columns.ChannelIds, p.Channel)
		columns.AccountIds = append(columns.AccountIds, int64(p.Account))
		columns.AccessHashes = append(columns.AccessHashes, p.AccessHash)
		columns.Usernames = append(columns.Usernames, p.Username)
		columns.Titles = append(columns.Titles, p.Title)
		columns.Kinds = append(columns.Kinds, kind)
		columns.Protecteds = append(columns.Protecteds, p.Protected)
		columns.ResolvedAts = append(columns.ResolvedAts, p.ResolvedAt)
	}
	return columns
}

func comparePeers(p, q account.Peer) int {
	return cmp.Or(cmp.Compare(p.Channel, q.Channel), cmp.Compare(p.Account, q.Account))
}

// known is null for an absent instant.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
