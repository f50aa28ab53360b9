package telegram

import (
	"encoding/binary"
	"sort"

	"github.com/gotd/td/tg"
)

// maxNested bounds the constructors of one message that can hold their own kind. The library decodes them by recursion: four bytes of an answer are
// a level, which takes most of a kilobyte of stack, and an error grows on its way up by a line per level. Ten megabytes of them would end the
// process, one would keep it busy for hours. No post comes near: the longest articles, which are cut in previews, have some hundreds.
const maxNested = 4000

// nested are the places in an answer at which something can nest, ascending, in bytes.
func nested(answer []byte) (places []int) {
	for at := 0; at+4 <= len(answer); at += 4 { // all of TL is aligned so
		if nests(binary.LittleEndian.Uint32(answer[at:])) {
			places = append(places, at)
		}
	}
	return places
}

// bound is where a message that starts at from is to be cut so that it cannot nest too deep; end when that is no matter.
func bound(places []int, from, end int) int {
	first := sort.SearchInts(places, from)
	if first+maxNested < len(places) {
		return places[first+maxNested]
	}
	return end
}

// nests is true of each constructor that can hold its own kind; every circle of types in a message goes through one of these.
func nests(constructor uint32) bool {
	switch constructor {
	case tg.TextBoldTypeID, tg.TextItalicTypeID, tg.TextUnderlineTypeID, tg.TextStrikeTypeID, tg.TextFixedTypeID, tg.TextURLTypeID,
		tg.TextEmailTypeID, tg.TextConcatTypeID, tg.TextSubscriptTypeID, tg.TextSuperscriptTypeID, tg.TextMarkedTypeID, tg.TextPhoneTypeID,
		tg.TextAnchorTypeID, tg.TextSpoilerTypeID, tg.TextMentionTypeID, tg.TextHashtagTypeID, tg.TextBotCommandTypeID, tg.TextCashtagTypeID,
		tg.TextAutoURLTypeID, tg.TextAutoEmailTypeID, tg.TextAutoPhoneTypeID, tg.TextBankCardTypeID, tg.TextMentionNameTypeID,
		tg.TextDateTypeID, tg.TextDiffTypeID:
		return true
	case tg.PageBlockListTypeID, tg.PageBlockCoverTypeID, tg.PageBlockEmbedPostTypeID, tg.PageBlockCollageTypeID, tg.PageBlockSlideshowTypeID,
		tg.PageBlockOrderedListTypeID, tg.PageBlockDetailsTypeID, tg.PageBlockBlockquoteBlocksTypeID:
		return true
	case tg.StoryItemTypeID, tg.MessageExtendedMediaTypeID, tg.PollAnswerTypeID, tg.PollResultsTypeID:
		return true
	}
	return false
}
