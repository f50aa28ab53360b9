package load

import "github.com/gotd/td/tg"

// media reads an attachment; kinds not known here become "unsupported", nothing becomes nothing.
func media(o object) tg.MessageMediaClass {
	switch o.kind() {
	case "":
		return nil
	case "messageMediaPhoto":
		m := &tg.MessageMediaPhoto{}
		m.SetPhoto(photo(o.object("photo")))
		return m
	case "messageMediaDocument":
		m := &tg.MessageMediaDocument{}
		m.SetDocument(document(o.object("document")))
		return m
	case "messageMediaWebPage":
		return &tg.MessageMediaWebPage{Webpage: page(o.object("webpage"))}
	case "messageMediaPoll":
		return poll(o)
	case "messageMediaGeo":
		return &tg.MessageMediaGeo{Geo: &tg.GeoPoint{Long: o.object("geo").float("long"), Lat: o.object("geo").float("lat")}}
	case "messageMediaContact":
		return &tg.MessageMediaContact{PhoneNumber: o.text("phone_number"), FirstName: o.text("first_name"), LastName: o.text("last_name")}
	}
	return &tg.MessageMediaUnsupported{}
}

func photo(o object) tg.PhotoClass {
	if o == nil {
		return &tg.PhotoEmpty{}
	}
	p := &tg.Photo{ID: o.number("id"), AccessHash: o.number("access_hash"), FileReference: o.bytes("file_reference"), Date: o.date("date"),
		DCID: o.int("dc_id"), HasStickers: o.is("has_stickers")}
	p.Sizes = sizes(o.objects("sizes"))
	return p
}

func sizes(all []object) (got []tg.PhotoSizeClass) {
	for _, s := range all {
		switch s.kind() {
		case "photoStrippedSize":
			got = append(got, &tg.PhotoStrippedSize{Type: s.text("type"), Bytes: s.bytes("bytes")})
		case "photoSizeProgressive":
			got = append(got, &tg.PhotoSizeProgressive{Type: s.text("type"), W: s.int("w"), H: s.int("h"), Sizes: s.ints("sizes")})
		case "photoSize", "photoCachedSize":
			got = append(got, &tg.PhotoSize{Type: s.text("type"), W: s.int("w"), H: s.int("h"), Size: s.int("size")})
		}
	}
	return got
}

func document(o object) tg.DocumentClass {
	if o == nil {
		return &tg.DocumentEmpty{}
	}
	d := &tg.Document{ID: o.number("id"), AccessHash: o.number("access_hash"), FileReference: o.bytes("file_reference"), Date: o.date("date"),
		MimeType: o.text("mime_type"), Size: o.number("size"), DCID: o.int("dc_id"), Thumbs: sizes(o.objects("thumbs"))}
	for _, a := range o.objects("attributes") {
		switch a.kind() {
		case "documentAttributeVideo":
			d.Attributes = append(d.Attributes, &tg.DocumentAttributeVideo{RoundMessage: a.is("round_message"),
				SupportsStreaming: a.is("supports_streaming"), Duration: a.float("duration"), W: a.int("w"), H: a.int("h")})
		case "documentAttributeAudio":
			d.Attributes = append(d.Attributes, &tg.DocumentAttributeAudio{Voice: a.is("voice"), Duration: a.int("duration"),
				Title: a.text("title"), Performer: a.text("performer")})
		case "documentAttributeFilename":
			d.Attributes = append(d.Attributes, &tg.DocumentAttributeFilename{FileName: a.text("file_name")})
		case "documentAttributeAnimated":
			d.Attributes = append(d.Attributes, &tg.DocumentAttributeAnimated{})
		case "documentAttributeSticker":
			d.Attributes = append(d.Attributes, &tg.DocumentAttributeSticker{Alt: a.text("alt"), Stickerset: &tg.InputStickerSetEmpty{}})
		case "documentAttributeImageSize":
			d.Attributes = append(d.Attributes, &tg.DocumentAttributeImageSize{W: a.int("w"), H: a.int("h")})
		}
	}
	return d
}

func page(o object) tg.WebPageClass {
	if o.kind() != "webPage" {
		return &tg.WebPageEmpty{ID: o.number("id")}
	}
	p := &tg.WebPage{ID: o.number("id"), URL: o.text("url"), DisplayURL: o.text("display_url"), Hash: o.int("hash"), Type: o.text("type"),
		SiteName: o.text("site_name"), Title: o.text("title"), Description: o.text("description"), Author: o.text("author")}
	if in := o.object("photo"); in != nil {
		p.Photo = photo(in)
	}
	return p
}

func poll(o object) tg.MessageMediaClass {
	in, results := o.object("poll"), o.object("results")
	m := &tg.MessageMediaPoll{Poll: tg.Poll{ID: in.number("id"), Closed: in.is("closed"), Quiz: in.is("quiz"), Question: words(in, "question")}}
	for _, a := range in.objects("answers") {
		m.Poll.Answers = append(m.Poll.Answers, &tg.PollAnswer{Text: words(a, "text"), Option: a.bytes("option")})
	}
	for _, r := range results.objects("results") {
		m.Results.Results = append(m.Results.Results, tg.PollAnswerVoters{Option: r.bytes("option"), Voters: r.int("voters")})
	}
	m.Results.TotalVoters = results.int("total_voters")
	return m
}

// words reads a text that was a plain string before it could have entities.
func words(o object, key string) tg.TextWithEntities {
	if in := o.object(key); in != nil {
		return tg.TextWithEntities{Text: in.text("text")}
	}
	return tg.TextWithEntities{Text: o.text(key)}
}
