package tgsim

import (
	"net"
	"strconv"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/tidemark/tidemark/services/parser/tgsim/world"
)

// config announces the only datacenter there is: clients take the list over.
func (c *call) config() error {
	now := int(c.o.Now().Unix())
	return (&tg.Config{
		Date: now, Expires: now + 3600, ThisDC: c.o.DC, DCOptions: []tg.DCOption{c.address()}, DCTxtDomainName: "",
		ChatSizeMax: 200, MegagroupSizeMax: 200_000, ForwardedCountMax: 100, OnlineUpdatePeriodMs: 210_000,
		OfflineBlurTimeoutMs: 5000, OfflineIdleTimeoutMs: 30_000, OnlineCloudTimeoutMs: 300_000, NotifyCloudDelayMs: 30_000,
		NotifyDefaultDelayMs: 1500, PushChatPeriodMs: 60_000, PushChatLimit: 2, EditTimeLimit: 172_800,
		RevokeTimeLimit: 1 << 30, RevokePmTimeLimit: 1 << 30, RatingEDecay: 2_419_200, StickersRecentLimit: 200,
		CallReceiveTimeoutMs: 20_000, CallRingTimeoutMs: 90_000, CallConnectTimeoutMs: 30_000, CallPacketTimeoutMs: 10_000,
		MeURLPrefix: "https://t.me/", CaptionLengthMax: 1024, MessageLengthMax: 4096, WebfileDCID: c.o.DC,
	}).Encode(c.out)
}

// address is where clients reach us. Listening on all addresses, it is the loopback.
func (s *Server) address() tg.DCOption {
	announced := s.o.Announce
	if announced == "" {
		announced = s.Addr()
	}
	host, port, _ := net.SplitHostPort(announced)
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	n, _ := strconv.Atoi(port)
	ip := net.ParseIP(host)
	return tg.DCOption{ID: s.o.DC, IPAddress: host, Port: n, Static: true, Ipv6: ip != nil && ip.To4() == nil}
}

func (c *call) nearestDC() error {
	return (&tg.NearestDC{Country: "XX", ThisDC: c.o.DC, NearestDC: c.o.DC}).Encode(c.out)
}

func (c *call) appConfig() error {
	return (&tg.HelpAppConfig{Hash: 1, Config: &tg.JSONObject{Value: []tg.JSONObjectValue{
		{Key: "channels_limit_default", Value: &tg.JSONNumber{Value: 500}},
		{Key: "reactions_uniq_max", Value: &tg.JSONNumber{Value: 11}},
	}}}).Encode(c.out)
}

func self(a world.Account) *tg.User {
	u := &tg.User{Self: true, ID: a.ID, FirstName: a.FirstName, Phone: a.Phone}
	u.SetAccessHash(a.ID * 31)
	return u
}

// getUsers knows only the account itself; others come back empty.
func (c *call) getUsers() error {
	var r tg.UsersGetUsersRequest
	if err := c.decode(&r); err != nil {
		return err
	}
	me, _ := c.world.ByID(c.account)
	c.out.PutVectorHeader(len(r.ID))
	for _, input := range r.ID {
		var u bin.Encoder = &tg.UserEmpty{}
		switch input := input.(type) {
		case *tg.InputUserSelf:
			u = self(me)
		case *tg.InputUser:
			if u = (&tg.UserEmpty{ID: input.UserID}); input.UserID == me.ID {
				u = self(me)
			}
		}
		if err := u.Encode(c.out); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) getFullUser() error {
	me, _ := c.world.ByID(c.account)
	full := tg.UserFull{ID: me.ID}
	return (&tg.UsersUserFull{FullUser: full, Users: []tg.UserClass{self(me)}}).Encode(c.out)
}

func (c *call) getState() error {
	return (&tg.UpdatesState{Pts: 1, Date: int(c.o.Now().Unix())}).Encode(c.out)
}

// getDifference has nothing to tell: nothing happens outside channels here.
func (c *call) getDifference() error {
	return (&tg.UpdatesDifferenceEmpty{Date: int(c.o.Now().Unix())}).Encode(c.out)
}
