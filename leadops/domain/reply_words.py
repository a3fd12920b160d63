"""The words people use to decline, agree, be away, or leave; and those of machines. By language.

Belongs here: patterns only. Which one wins stands in ``replies.py``. Patterns see text in lower case with
straight apostrophes and single spaces. Words of opting out: ``opt_out_words.py``.
"""

from __future__ import annotations

import re


def any_of(*patterns: str) -> re.Pattern[str]:
    """One pattern that matches where any of ``patterns`` does."""
    return re.compile("|".join(f"(?:{p})" for p in patterns))


AUTO_SUBJECT = re.compile(
    r"^(?:\[[^\]]{1,30}\] )?(?:"
    r"automatic reply|auto(?:matic)?[- ]?(?:reply|response|responder)|auto:|automated (?:reply|response)|"
    r"out of (?:the )?office(?: auto-?reply| reply| notice)?|ooo|away from (?:my|the) (?:desk|office)|"
    r"on (?:vacation|holiday|leave)|vacation (?:reply|notice|response)|"
    r"automatische (?:antwort|e-?mail-antwort)|autoantwort|abwesen\w*|nicht im büro|im urlaub|"
    r"réponse automatique|reponse automatique|absen\w+ du bureau|message d'absence|absence|"
    r"respuesta autom[aá]tica|fuera de (?:la )?oficina|ausente|"
    r"risposta automatica|fuori (?:sede|ufficio)|assenza|"
    r"resposta autom[aá]tica|fora do escrit[oó]rio|ausência|"
    r"automatisch (?:antwoord|bericht)|afwezig\w*|niet aanwezig|"
    r"automatiskt svar|autosvar|frånvaro\w*|automatisk svar|"
    r"automatyczna odpowiedź|poza biurem|nieobecność|"
    r"自动回复|自動回覆|自动答复|自動応答|自動返信|不在通知|不在"
    r")\s*(?:$|[:：\-–—(]|re:|aw:)"
)

AWAY = any_of(
    r"\bout of (?:the |my )?office\b",
    r"\booo\b",
    r"\b(?:on|am on) (?:\w+ )?(?:leave|vacation|holidays?|pto)\b",
    r"\b(?:parental|maternity|paternity|annual|sick|medical|family) leave\b",
    r"\b(?:am|i'm|is|be|are) (?:currently )?(?:away|out|travell?ing|unavailable|out sick|off)\b",
    r"\baway from (?:my|the) (?:desk|office|e-?mail)\b",
    r"\b(?:will be |am |i'm )?back (?:on|in the office|from|at my desk)\b",
    r"\blimited access to (?:my )?e-?mail",
    r"\b(?:will )?return(?:ing)? (?:to the office )?on\b",
    r"\bnicht im (?:büro|buero|haus)|\baußer haus|\bausser haus|\bim urlaub|\babwesen|\bnicht erreichbar",
    r"\bzurück am\b|\bwieder (?:erreichbar|im büro|da)\b|\belternzeit\b|\bdienstreise\b|\bfeiertag",
    r"\babsente?s?\b|\ben cong[ée]s?\b|\bde retour\b|\ben vacances\b|\bhors du bureau\b|\ben déplacement\b",
    r"\bfuera de (?:la |mi )?oficina|\bde vacaciones|\bausente\b|\bde baja (?:médica|maternal|por)",
    r"\bfuori (?:sede|ufficio)|\bin ferie|\bassente\b|\bin vacanza",
    r"\bde férias|\bde ferias|\bausente\b|\bfora do escritório|\blicença\b",
    r"\bafwezig|\bop vakantie|\bniet (?:aanwezig|op kantoor)|\bmet verlof",
    r"\bsemester\b|\btjänstledig|\bföräldraledig|\binte på kontoret|\btillbaka den\b",
    r"\bna urlopie|\bnieobecn|\bpoza biurem",
    r"休假|不在办公室|外出|出差|度假|放假|请假|不在|休暇|出張中|夏季休業|お休み",
)

LEFT = any_of(
    r"\bno longer (?:with|at|works?|working|employed|part of|in (?:use|this role)|be(?:en)? with)\b",
    r"\b(?:doesn't|does not|don't|do not) work (?:here|there|for|at|with)\b",
    r"\b(?:has|have|had) (?:left|departed|retired)\b",
    r"\bleft (?:the|our|this) (?:company|organi[sz]ation|firm|business|team)\b",
    r"\b(?:i|he|she|who) (?:have |has )?retired\b|\b[a-z]+ left [a-z ]{0,20}in (?:january|february|march|"
    r"april"
    r"|may|june|july|august|september|october|november|december)\b",
    r"\bnicht mehr (?:im unternehmen|bei uns|in (?:der|unserer) firma|für (?:uns|unser))",
    r"\b(?:arbeitet|ist) nicht (?:mehr|länger) (?:bei|für|in|hier)\b|\bunternehmen verlassen\b|"
    r"\bruhestand\b",
    r"\bausgeschieden\b|\bfirma verlassen\b",
    r"\bne (?:travaille|fait) plus\b|\ba quitté (?:la|notre|l')|\bj'ai quitté (?:la|l')|\bà la retraite\b",
    r"\bya no (?:trabaja|forma parte|está en la)|\bha dejado la empresa\b|\bjubilad[oa]\b",
    r"\bnon (?:lavora|fa) più\b|\bha lasciato (?:l'azienda|la società)|\bin pensione\b",
    r"\b(?:já )?não (?:trabalha|faz) mais\b|\bjá não trabalha\b|\bdeixou a empresa\b",
    r"\bniet (?:meer|langer) (?:werkzaam|in dienst)|\bwerkt (?:hier )?niet (?:meer|langer)",
    r"\b(?:har slutat|arbetar inte längre|jobbar inte längre|slutat hos)\b",
    r"\b(?:już|juz) nie pracuje|\bnie pracuje już",
    r"已离职|不再任职|离开公司|已经离职|退職|退社",
)
# Somebody who tells of a colleague and goes on with us is a person to talk to.
TAKES_OVER = any_of(
    r"\btak(?:e|ing|en) over\b|\bi(?:'m| am) (?:the )?(?:new|now)\b|\bmy predecessor\b|\breplac(?:ed|"
    r"ing)\b",
    r"\b(?:our|the) (?:previous|former|last)\b|\binstead\b|\bich (?:habe|bin) .{0,20}übernommen\b",
    r"\b(?:übernehme|nachfolger(?:in)? bin|reprends|remplace)\b|\?",
)

NEGATIVE = any_of(
    r"\bnot (?:\w+ ){0,3}interested\b(?<!not only are we interested)|\b(?:aren't|isn't|wasn't|weren't|"
    r"ain't) "
    r"(?:\w+ ){0,2}interested\b",
    r"\bno longer (?:\w+ )?(?:interested|looking|needed?|relevant|in the market)\b|\b(?:no|zero|"
    r"lost) interest\b|"
    r"\buninterested\b",
    r"\bno,? thank(?:s| you)\b|^no$|^nope\b|^nah\b",
    r"\balready (?:covered|in place|signed with)\b|\balready (?:have|use|using|work with|working with|"
    r"got) (?:\w+ ){0,2}"
    r"(?:an?|another|our own|someone|vendor|provider|solution|tools?|system|supplier|partner|something|"
    r"one)\b|\b(?:are|we're|i'm|am) "
    r"(?:all set|happy with (?:our|the|what|them)|good for now|covered)\b",
    r"\b(?:went|going|gone|decided to go) (?:with|for) (?:another|someone else|a competitor|a different|"
    r"somebody)\b|"
    r"\bchose (?:another|a different|someone)\b",
    r"\bnot (?:a|the right|really a|a good) (?:good )?(?:fit|match|priority|time)\b|"
    r"\bnot (?:\w+ )?(?:relevant|for us|"
    r"needed|looking|in the market)\b|\bbad (?:fit|timing)\b",
    r"\b(?:i'll|we'll|i will|we will|going to|have to|will) (?:have to )?(?:pass|decline)\b|"
    r"\b(?:hard )?pass\b[.!]?$",
    r"\bno budget\b|\b(?:don't|do not|doesn't|didn't) have (?:the |a |any )?(?:budget|need|use)\b|"
    r"\bno need\b|"
    r"\b(?:don't|do not) (?:need|see a need|see the need)\b|\bisn't (?:\w+ ){0,2}(?:something|what|"
    r"relevant|for us|a fit)\b",
    r"\bnot something (?:we|i)\b|\bdecided (?:not to|against)\b|\bnot (?:to )?(?:move|moving|proceed|"
    r"going) (?:forward|"
    r"ahead)\b|\bnot (?:right )?now\b|\bnot at (?:this|the) (?:time|moment)\b|\bdecline\b",
    r"\bkein(?:en|erlei)? (?:interesse|bedarf|budget)\b|\bnicht (?:\w+ ){0,2}interessiert\b|"
    r"\bnein,? danke\b|^nein$|"
    r"\bpasst (?:\w+ ){0,4}nicht\b|\bbereits (?:ein|eine|einen|mit|versorgt|im einsatz)\b|"
    r"\bhaben (?:schon|bereits)\b|"
    r"\bnicht relevant\b|\bdankend ab\b|\bbrauchen (?:\w+ ){0,2}nicht\b|\banders entschieden\b|"
    r"\bnicht in frage\b",
    r"\b(?:pas|plus|aucunement) (?:\w+ )?intéress\w+|\bnon,? merci\b|\bdéjà (?:un|une|équipés?|notre)\b|"
    r"\bpas (?:de|le|besoin|d')\s?(?:besoin|budget)?\b.{0,20}\b(?:besoin|budget)\b|\bpas besoin\b|"
    r"\baucun (?:besoin|intérêt)\b|"
    r"\bne (?:souhait\w+|donn\w+) pas\b|\bpas pour nous\b",
    r"\bno (?:\w+ )?(?:estamos|estoy) (?:\w+ )?interesad\w+|\bno (?:nos|me) interesa\b|\bno,? gracias\b|"
    r"\bya "
    r"(?:tenemos|contamos|trabajamos|usamos)\b|\bno (?:lo )?necesitamos\b|\bsin interés\b|"
    r"\bno tenemos presupuesto\b",
    r"\bnon (?:siamo|sono) (?:\w+ )?interessat\w+|\bnon (?:ci|mi) interessa\b|\bno,? grazie\b|\bgià (?:un|"
    r"abbiamo)\b|"
    r"\babbiamo già\b|\bnon (?:ne )?abbiamo bisogno\b",
    r"\bnão (?:temos|tenho|há) interesse\b|\bnão (?:estamos|estou) interessad\w+|\bnão,? obrigad[oa]\b|"
    r"\bjá temos\b|"
    r"\bsem interesse\b|\bnão precisamos\b",
    r"\bgeen (?:interesse|behoefte|budget)\b|\bniet geïnteresseerd\b|\bnee,? (?:bedankt|dank)\b|"
    r"\bhebben al\b|\bal een\b",
    r"\binte (?:\w+ )?intresserad\w*|\bnej,? tack\b|\bhar redan\b|\binget (?:intresse|behov)\b",
    r"\bnie (?:jesteśmy|jestem) (?:\w+ )?zainteresowan\w+|\bnie,? dzięku\w+|\bmamy już\b|"
    r"\bbrak zainteresowania\b",
    r"不感兴趣|没有?兴趣|不需要|暂时不|不考虑|興味(?:が|は)?(?:あ|御座い|ござい)ません|興味がない|必要(?:あり|ござい)ません|"
    r"不要です|見送|お断り|間に合って",
)

POSITIVE = any_of(
    r"\b(?:i am|i'm|we are|we're|are we|am i|very|definitely|still|quite|really|"
    r"both) (?:\w+ )?interested\b|^interested\b",
    r"\bsounds (?:\w+ )?(?:good|great|interesting|perfect|like a plan)\b|\blooks (?:great|interesting|"
    r"promising)\b",
    r"\blet'?s (?:\w+ )?(?:talk|chat|do|schedule|set|book|meet|connect|speak|go|discuss|find)\b",
    r"\b(?:please |pls |just )?(?:call|ring|phone) me\b|\bgive me a (?:call|ring)\b",
    r"\b(?:happy|glad|love|keen|like|eager|open|want|ready) to (?:\w+ )?(?:chat|talk|meet|see|speak|"
    r"discuss|learn|hear more"
    r"|connect|schedule|try|start|explore|know more|book|set up|hop|jump|get started)\b",
    r"\b(?:send|share|forward|give|provide|get) (?:me|us|over|along)?\s?(?:\w+ ){0,3}(?:quote|pricing|"
    r"prices?|proposal|"
    r"invite|invitation|calendar|times|slots|availability|contract|offer)\b",
    r"\bnext steps?\b|\b(?:book|schedule|set up|arrange) (?:a|the|some|our) (?:\w+ )?(?:call|meeting|demo|"
    r"time|chat)\b",
    r"^(?:yes|yep|yeah|sure|absolutely|definitely|certainly|of course)(?:,? (?:please|thanks|sure|do|"
    r"let's|that works"
    r"|works for me))*$|\b(?:that|it|time|day) works for (?:me|us)\b|^great timing\b",
    r"\b(?:haben|habe|hätten|hätte) (?:\w+ ){0,3}interesse\b|\bsehr interessiert\b|\bbin interessiert\b|"
    r"\bsind interessiert\b|"
    r"\bklingt (?:\w+ )?(?:gut|interessant|spannend|super)\b|\bja,? (?:sehr )?gerne?\b|"
    r"\brufen sie (?:mich|uns)\b|"
    r"\b(?:angebot|preise?|preisliste|terminvorschl\w+|termin) (?:\w+ ){0,2}(?:schicken|senden|zusenden|"
    r"machen|zukommen|"
    r"vereinbaren)\b|\bgerne? (?:einen? |die )?(?:termin|demo|gespräch)\b|^ja(?:,? bitte)?$|"
    r"\bwann (?:hätten|haben|passt)\b",
    r"\b(?:suis|sommes) (?:\w+ )?intéressée?s?\b|\bm'intéresse\b|\bavec plaisir\b|\bvolontiers\b|"
    r"\bappelez-moi\b|"
    r"\b(?:envoyer|faire parvenir|transmettre) (?:\w+ ){0,2}(?:devis|tarifs?|offre|proposition)\b|"
    r"\bme convient\b|"
    r"\bprendre rendez-vous\b|^oui(?:,? (?:merci|volontiers))?$",
    r"\b(?:me|nos) interesa(?:ría)?\b|\b(?:estoy|estamos) (?:\w+ )?interesad\w+|\bme gustaría (?:ver|"
    r"saber|hablar|agendar|"
    r"recibir)\b|\b(?:podemos|podríamos) (?:hablar|agendar|quedar|reunirnos)\b|\bll[aá]m(?:e|a)me\b|"
    r"^s[ií](?:,? por favor)?$|"
    r"\benvi\w+ (?:\w+ ){0,2}(?:presupuesto|precios|cotización|propuesta)\b",
    r"\b(?:sono|siamo) (?:\w+ )?interessat\w+|\b(?:mi|ci) interessa\b|\bpossiamo (?:sentirci|parlarne|"
    r"fissare|vederci)\b|"
    r"\bvolentieri\b|\bmi chiami\b|^s[iì](?:,? (?:grazie|certo))?$|\bpreventivo\b",
    r"\b(?:tenho|temos) (?:\w+ )?interesse\b|\b(?:estou|estamos) interessad\w+|\bpodemos (?:marcar|"
    r"agendar|conversar|falar)\b|"
    r"\bgostaria de (?:ver|saber|marcar|agendar)\b|^sim(?:,? por favor)?$|\benviar (?:\w+ )?(?:orçamento|"
    r"proposta)\b",
    r"\bheb(?:ben)? (?:\w+ )?interesse\b|\bgeïnteresseerd\b|\bkunt u (?:mij|me|ons) bellen\b|\bbel (?:mij|"
    r"me)\b|\bgraag een "
    r"(?:demo|afspraak|offerte|gesprek)\b|^ja,? graag\b|\bofferte\b",
    r"\b(?:är|jag är|vi är) (?:\w+ )?intresserade?\b|\bboka (?:ett|en)\b|\bring mig\b|"
    r"\blåter (?:\w+ )?(?:bra|intressant)\b|"
    r"^ja,? (?:tack|gärna)\b|\boffert\b",
    r"\b(?:jestem|jesteśmy) (?:\w+ )?zainteresowan\w+|\bproszę o (?:ofertę|kontakt|telefon|wycenę|"
    r"cennik)\b|\bproszę "
    r"zadzwonić\b|\bchętnie\b|\bumówmy\b",
    r"感兴趣|有兴趣|请报价|请发报价|请联系我|可以安排|興味があります|興味がございます|見積(?:もり)?(?:を)?お願い|"
    r"お話(?:を)?(?:伺い|聞き)たい|詳しく(?:聞|教)",
)

SENT_OR_DRAFT = re.compile(
    r"(?:^|[/.\\\]])\s*(?:sent(?: (?:mail|items|messages))?|drafts?|outbox|gesendet(?:e (?:elemente|"
    r"objekte|nachrichten))?|"
    r"entwürfe|postausgang|envoyés?|éléments envoyés|messages envoyés|brouillons|enviados?|"
    r"elementos enviados|"
    r"borradores|posta inviata|inviati|inviata|bozze|itens enviados|mensagens enviadas|rascunhos|"
    r"verzonden(?: items)?|"
    r"concepten|skickat|skickade objekt|utkast|wysłane|elementy wysłane|kopie robocze|已发送|已发送邮件|"
    r"草稿|草稿箱|送信済み|送信済みアイテム|下書き)\s*$"
)
