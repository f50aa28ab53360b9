package demo

import "github.com/tidemark/tidemark/services/parser/tgsim/world"

// names are the demo's channels.
func names() []world.Channel {
	named := []struct{ username, title, about string }{
		{"harbour_news", "Harbour News", "What comes in with the tide"},
		{"gavan_novosti", "Гавань: новости", "Порт, город, погода"},
		{"puerto_hoy", "Puerto Hoy", "Noticias del puerto"},
		{"tide_tables", "Tide Tables", "High water, low water"},
		{"lighthouse_log", "Lighthouse Log", "Kept every night"},
		{"more_i_nebo", "Море и небо", "Фотографии каждый день"},
		{"fish_market", "Fish Market", "Prices at eight"},
		{"ferry_alerts", "Ferry Alerts", "Delays and cancellations"},
		{"chart_room", "Chart Room", "Maps, old and new"},
		{"kvartal_portovy", "Портовый квартал", "Афиша района"},
	}
	channels := make([]world.Channel, len(named))
	for i, n := range named {
		channels[i] = world.Channel{ID: 1_700_000_001 + int64(i)*6_151, Username: n.username, Title: n.title, About: n.about, Members: 1200 * (i + 1)}
	}
	return channels
}

// texts are what the demo's channels say.
func texts() []string {
	return []string{
		"High water at 06:42, 4.1 m. Low water at 12:55. Mind the outer steps, they are slippery. 🌊",
		"Паром в 9:30 задерживается на 40 минут из-за тумана. Следите за объявлениями. ⛴️",
		"El mercado abre hoy una hora más tarde: la subasta empieza a las nueve. 🐟",
		"Visibility under two cables since midnight. Horn on, lamp on, kettle on.",
		"Сегодня в портовом квартале: концерт у старого крана в 19:00, вход свободный 🎺",
		"Cod 7.20, haddock 6.80, mackerel 3.10. No sole until the wind drops.",
		"The 1871 survey shows a bank where the pilots swear there is none. New soundings on Thursday, bring a pencil.",
		"Шторм обещают к вечеру: порывы до 22 м/с. Проверьте швартовы, уберите тенты. ⚓",
		"All ferries run on time. 👍",
		"Foto del día: la grúa número tres, pintada de amarillo por fin. ¿Os gusta?",
	}
}
