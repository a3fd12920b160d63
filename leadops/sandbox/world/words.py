"""What people and their machines write back. By kind and language; English where a language is missing.

``{first}`` is the writer, ``{date}`` a day in the format of the language, ``{us}`` who wrote to them.
"""

from __future__ import annotations

from datetime import date

REPLIES: dict[str, dict[str, tuple[str, ...]]] = {
    "interested": {
        "en": (
            "Thanks, that was quick. Could we talk on Thursday afternoon?\n\n{first}",
            "Sounds good, let's set up a call next week. Tuesday 10am works for me.\n\nBest,\n{first}",
            "Yes please, I am interested. Can you send me your calendar?\n\nSent from my iPhone",
        ),
        "de": ("Danke für die schnelle Antwort. Das klingt interessant, wann hätten Sie Zeit?\n\n{first}",),
        "fr": ("Merci, avec plaisir. Mardi à 10 h me convient.\n\n{first}",),
        "es": ("Gracias, me gustaría ver una demo. ¿Podemos hablar el jueves?\n\nSaludos,\n{first}",),
        "pt": ("Obrigado! Tenho interesse, podemos marcar uma conversa na quinta?\n\n{first}",),
        "it": ("Grazie, mi interessa. Possiamo sentirci giovedì?\n\n{first}",),
        "nl": ("Dank! Graag een demo, donderdag past mij goed.\n\n{first}",),
        "pl": ("Dziękuję, jestem zainteresowany. Umówmy się na czwartek.\n\n{first}",),
        "sv": ("Tack, det låter intressant. Kan vi boka ett möte på torsdag?\n\n{first}",),
        "ja": ("ご連絡ありがとうございます。興味があります。木曜日の午後はいかがでしょうか。",),
        "zh": ("谢谢，我们感兴趣。请联系我，周四下午可以安排。",),
    },
    "question": {
        "en": (
            "Does it work with Snowflake, and where is the data kept?\n\n{first}",
            "How long does it usually take until the first dashboard is up?\n\n{first}",
            "Two questions before we go on: is there an SSO, and can viewers export?",
        ),
        "de": ("Wo liegen die Daten, und gibt es eine AVV?\n\nMit freundlichen Grüßen\n{first}",),
        "fr": ("Est-ce compatible avec notre ERP (Sage) ?\n\n{first}",),
        "es": ("¿Funciona con Odoo?\n\n{first}",),
    },
    "not_interested": {
        "en": (
            "Not interested at the moment, thank you.",
            "Thanks, but we already have a solution in place.\n\n{first}",
            "We have no budget for this this year.",
        ),
        "de": ("Kein Interesse, danke.", "Wir haben uns anders entschieden.\n\n{first}"),
        "fr": ("Non merci, nous sommes déjà équipés.",),
        "es": ("No, gracias. Ya tenemos una herramienta.",),
        "pt": ("Obrigado, mas não temos interesse no momento.",),
        "ja": ("今回は見送らせていただきます。",),
    },
    "wrong_person": {
        "en": (
            "I am not the right person for this. You may want to ask our finance team.\n\n{first}",
            "This is handled by a colleague of mine, I only downloaded the guide for her.",
        ),
        "de": ("Dafür bin ich nicht zuständig, bitte wenden Sie sich an unseren Einkauf.",),
    },
    "opt_out": {
        "en": (
            "Please remove me from your list.",
            "unsubscribe",
            "Stop emailing me.",
            "I do not want any more of these emails. {first}",
        ),
        "de": ("Bitte nehmen Sie mich aus dem Verteiler.", "abmelden"),
        "fr": ("Merci de me désabonner.",),
        "es": ("Por favor, dar de baja.",),
        "pt": ("Por favor, remover.",),
        "it": ("Cancellatemi dalla lista, grazie.",),
        "ja": ("配信停止",),
        "zh": ("退订",),
    },
}

AWAY: dict[str, tuple[str, str, str]] = {
    "en": ("Automatic reply: {subject}", "I am out of the office and will be back on {date}.", "%-d %B %Y"),
    "de": (
        "Automatische Antwort: {subject}",
        "Ich bin derzeit nicht im Büro und ab dem {date} wieder erreichbar.",
        "%d.%m.%Y",
    ),
    "fr": (
        "Réponse automatique : {subject}",
        "Je suis absent du bureau. De retour le {date}.",
        "%d/%m/%Y",
    ),
    "es": (
        "Respuesta automática: {subject}",
        "Estoy fuera de la oficina, de vacaciones hasta el {date}.",
        "%d.%m.%Y",
    ),
    "pt": ("Resposta automática: {subject}", "Estou de férias e volto em {date}.", "%d/%m/%Y"),
    "it": ("Risposta automatica: {subject}", "Sono fuori sede, rientro il {date}.", "%d.%m.%Y"),
    "nl": ("Automatisch antwoord: {subject}", "Ik ben afwezig en op {date} weer terug.", "%d-%m-%Y"),
    "sv": ("Autosvar: {subject}", "Jag är inte på kontoret, tillbaka den {date}.", "%Y-%m-%d"),
    "ja": ("自動応答: {subject}", "休暇をいただいております。{date}に戻ります。", "%m月%d日"),
    "zh": ("自动回复: {subject}", "我正在休假，{date}返回。", "%Y年%m月%d日"),
}
"""Language -> subject, text, format of the date (strftime)."""
AWAY_OPEN = {
    "en": "I am on leave with limited access to my e-mail.",
    "de": "Ich bin zurzeit im Urlaub und nicht erreichbar.",
    "fr": "Je suis en congés.",
    "es": "Me encuentro fuera de la oficina.",
}
"""The same without a date."""
LEFT = {
    "en": ("Automatic reply: {subject}", "{first} no longer works here. Please write to info@ instead."),
    "de": ("Automatische Antwort: {subject}", "{first} ist nicht mehr bei uns im Unternehmen."),
    "fr": ("Réponse automatique : {subject}", "{first} ne travaille plus chez nous."),
}
ACKNOWLEDGED = ("Re: {subject} [Ticket#{number}]", "Thank you for your message. We have received it.")


def in_language(texts: dict[str, str], language: str) -> str:
    """The text in this language, English where there is none."""
    return texts.get(language, texts["en"])


def day(value: date, form: str) -> str:
    """``value`` by a strftime format; ``%-d`` is not known everywhere, so it is done here."""
    return value.strftime(form.replace("%-d", str(value.day)))
