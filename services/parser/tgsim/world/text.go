package world

import (
	"strings"
	"unicode/utf16"

	"github.com/gotd/td/tg"
)

// text makes up what a post says, with its entities.
func (m *maker) text() (string, []tg.MessageEntityClass) {
	var t writer
	if m.one(3) {
		t.span(pick(m, m.headings()), func(at, n int) tg.MessageEntityClass { return &tg.MessageEntityBold{Offset: at, Length: n} })
		t.plain("\n\n")
	}
	if texts := m.channel.Texts; len(texts) > 0 {
		t.plain(pick(m, texts))
	} else {
		for range 3 + m.IntN(4) {
			t.plain(pick(m, stock[m.lang]) + " ")
		}
	}
	for range m.IntN(3) {
		t.plain(" ")
		m.decorate(&t)
	}
	return t.String(), t.entities
}

// headings are what may stand above a text: the channel's own title where its texts are given, so that languages do not mix.
func (m *maker) headings() []string {
	if len(m.channel.Texts) > 0 {
		return []string{m.channel.Title}
	}
	return stock[m.lang]
}

// decorate adds a span of some kind.
func (m *maker) decorate(t *writer) {
	word := pick(m, words)
	switch m.IntN(11) {
	case 0:
		t.span("https://example.org/"+word, func(at, n int) tg.MessageEntityClass { return &tg.MessageEntityURL{Offset: at, Length: n} })
	case 1:
		t.span(word, func(at, n int) tg.MessageEntityClass {
			return &tg.MessageEntityTextURL{Offset: at, Length: n, URL: "https://example.org/" + word}
		})
	case 2:
		t.span("@channel_1", func(at, n int) tg.MessageEntityClass { return &tg.MessageEntityMention{Offset: at, Length: n} })
	case 3:
		t.span("🦔", func(at, n int) tg.MessageEntityClass {
			return &tg.MessageEntityCustomEmoji{Offset: at, Length: n, DocumentID: m.Int64()}
		})
	case 4:
		t.span(word, func(at, n int) tg.MessageEntityClass { return &tg.MessageEntitySpoiler{Offset: at, Length: n} })
	case 5:
		t.span("go test ./...", func(at, n int) tg.MessageEntityClass { return &tg.MessageEntityCode{Offset: at, Length: n} })
	case 6:
		t.span("func main() {\n\tprintln(\"🎉\")\n}", func(at, n int) tg.MessageEntityClass {
			return &tg.MessageEntityPre{Offset: at, Length: n, Language: "go"}
		})
	case 7:
		t.span(pick(m, m.headings()), func(at, n int) tg.MessageEntityClass {
			return &tg.MessageEntityBlockquote{Offset: at, Length: n, Collapsed: n > 40}
		})
	case 8:
		t.span("#"+word, func(at, n int) tg.MessageEntityClass { return &tg.MessageEntityHashtag{Offset: at, Length: n} })
	default:
		t.plain(pick(m, faces))
	}
}

// writer builds a text and counts it as Telegram does, in UTF-16 units.
type writer struct {
	strings.Builder
	at       int
	entities []tg.MessageEntityClass
}

func (t *writer) plain(s string) {
	t.WriteString(s)
	t.at += units(s)
}

func (t *writer) span(s string, entity func(at, n int) tg.MessageEntityClass) {
	t.entities = append(t.entities, entity(t.at, units(s)))
	t.plain(s)
}

func units(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

var (
	authors = []string{"Анна П.", "J. Doe", "Редакция", "Олена", "María", "编辑部"}
	faces   = []string{"👍", "❤️", "🔥", "😁", "🎉", "🤔", "👏", "😢", "🥰", "🦄", "🕊", "💯"}
	words   = []string{"harbour", "вечер", "café", "lantern", "ветер", "tide", "маяк", "río", "schnee", "朝"}
)

// stock is what posts are made of when nothing else is given: sentences by language.
var stock = [][]string{
	{
		"Сегодня в порту открыли новый причал, и первые лодки пришли ещё до рассвета 🌅.",
		"Прогноз на выходные: ветер с моря, к вечеру дождь, в воскресенье ясно.",
		"Библиотека на Садовой снова работает по ночам 📚 — приходите с термосом.",
		"Мы пересчитали тюленей на отмели: их сто двенадцать, на девять больше, чем год назад.",
		"Ремонт моста продлится до осени; объезд через старую плотину.",
		"Рецепт читателя: яблоки, корица, щепотка соли и полчаса терпения 🍏.",
	},
	{
		"The night ferry is running again after the storm, one crossing an hour 🚢.",
		"Volunteers planted four hundred birches along the old railway on Saturday.",
		"Our small observatory saw the comet at last; the sky stayed clear for eleven minutes.",
		"Bread at the corner bakery is back to its old price, says the handwritten sign.",
		"Release notes: faster start, fewer surprises, and a fix for the clock that ran backwards 🕰.",
		"The museum asks whoever took the wooden otter to bring it home, no questions asked 🦦.",
	},
	{
		"El mercado del puerto abre mañana a las siete, con música en la plaza 🎶.",
		"Tras la lluvia, el río creció medio metro y los puentes aguantaron.",
		"La biblioteca busca voluntarios que lean cuentos los jueves por la tarde.",
		"Una receta sencilla: tomates, pan de ayer y un buen aceite 🍅.",
	},
	{
		"У суботу відкриваємо сезон на озері: човни, чай і тиша 🛶.",
		"Нова виставка розповідає про млини, яких уже немає на мапі.",
		"Потяг до моря затримується на сорок хвилин, чекаємо разом.",
		"Черемха зацвіла на тиждень раніше, ніж торік 🌸.",
	},
	{
		"今天早上港口起了大雾,渡轮晚了两个小时 🌫。",
		"图书馆周末开放到午夜,欢迎带上自己的茶杯 🍵。",
		"山上的天文台终于拍到了那颗彗星,照片明天公布。",
		"老桥的修缮工程将持续到秋天,请绕行。",
	},
}
