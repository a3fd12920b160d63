"""The words people use to opt out, decline, agree, or leave; and those of machines. By language.

Belongs here: patterns only. Which one wins stands in ``replies.py``. Patterns see text in lower case with
straight apostrophes and single spaces.
"""

from __future__ import annotations

import re


def _any(*patterns: str) -> re.Pattern[str]:
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

AWAY = _any(
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

LEFT = _any(
    r"\bno longer (?:with|at|works?|working|employed|part of|in (?:use|this role)|be(?:en)? with)\b",
    r"\b(?:doesn't|does not|don't|do not) work (?:here|there|for|at|with)\b",
    r"\b(?:has|have|had) (?:left|departed|retired)\b",
    r"\bleft (?:the|our|this) (?:company|organi[sz]ation|firm|business|team)\b",
    r"\b(?:i|he|she|who) (?:have |has )?retired\b|\b[a-z]+ left [a-z ]{0,20}in (?:january|february|march|"
    r"april"
    r"|may|june|july|august|september|october|november|december)\b",
    r"\bnicht mehr (?:im unternehmen|bei uns|in (?:der|unserer) firma|für (?:uns|unser))",
    r"\b(?:arbeitet|ist) nicht (?:mehr|länger) (?:bei|für|in|hier)\b|\bunternehmen verlassen\b|\bruhestand\b",
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
TAKES_OVER = _any(
    r"\btak(?:e|ing|en) over\b|\bi(?:'m| am) (?:the )?(?:new|now)\b|\bmy predecessor\b|\breplac(?:ed|ing)\b",
    r"\b(?:our|the) (?:previous|former|last)\b|\binstead\b|\bich (?:habe|bin) .{0,20}übernommen\b",
    r"\b(?:übernehme|nachfolger(?:in)? bin|reprends|remplace)\b|\?",
)

OPT_OUT_WORD = re.compile(
    r"(?:please |pls |bitte |por favor |s'il vous pla[iî]t |graag |just |kindly )*(?:"
    r"stop(?: all| it| this| now| please| thanks| that)*|stopp|stopall|unsubscribe(?: me)?(?: please|"
    r" thanks)?|"
    r"unsub(?: me)?|un-subscribe|opt[ -]?out|optout|remove(?: me)?(?: please)?|cancel|quit|end|revoke|"
    r"delete me|take me off|leave me alone|"
    r"abmelden|abmeldung|austragen|abbestellen|"
    r"désinscription|desinscription|désabonner|desabonner|désabonnement|se désabonner|arr[eê]t|arrêtez|"
    r"baja|dar de baja|darme de baja|cancelar(?: suscripción)?|alto|"
    r"cancellami|disiscrivimi|cancellazione|disiscrizione|annulla|basta|"
    r"descadastrar|cancelar inscrição|remover|sair da lista|"
    r"afmelden|uitschrijven|avregistrera(?: mig)?|avsluta|avprenumerera|wypisz(?: mnie)?|rezygnuję|"
    r"退订|取消订阅|停止|配信停止|解除|購読解除"
    r")(?: (?:tack|danke|merci|gracias|thanks|thank you|grazie|obrigado|please|pls|bitte|svp|por favor|graag|"
    r"per favore|alstublieft|now|asap|sofort|immediately))*"
)

_SEND = (
    r"(?:e-?mail|mail|contact|messag|writ|send|spam|bother|call|text|reach|pester|harass|solicit|approach)\w*"
)
_ASKED = (
    r"(?:^|\b(?:you (?:must|should|need to|have to|better)|can you|could you|would you|will you|please|"
    r"pls|kindly|"
    r"just|but|and|then|so|now) |[,:-] ?)"
)
_ANYMORE = r"(?:any ?more|any longer|again|ever|further|in (?:the )?future)"
OPT_OUT = _any(
    # English
    r"\b(?:please |pls |want to |like to |wish to |kindly |me to |need to |must |i |can i |do i |to )?"
    r"unsub(?:scribe)? (?:me|us|this|from (?:this|these|your|all|any|the))\b",
    r"\b(?:want|like|wish|need|trying|tried|asked|request\w*) (?:to )?(?:be )?(?:un-?subscribed?|"
    r"opt(?:ed)? out)\b",
    r"^(?:please |pls |kindly |just )*(?:un-?subscribe|opt[ -]out|unsub)\b",
    r"\bhow (?:do|can|to|would) (?:i |we |one )?(?:unsubscribe|opt out|get off|get removed)",
    r"\b(?:remove|delete|erase|drop|take|strike|scrub) (?:me|us|my|this (?:address|e-?mail|contact|account)|"
    r"our (?:company|address|e-?mail|domain|info|information|details|data))\b.{0,40}"
    r"\b(?:lists?|database|data ?base|mailings?|contacts?|crm|distribution|records?|systems?|off|e-?mails?|"
    r"sequences?|campaigns?|cadence)\b",
    r"\b(?:remove|delete|erase) (?:me|us)\b",
    r"\b(?:remove|delete|erase) (?:all )?(?:of )?(?:my|our) (?:\w+ )?(?:data|details|information|address|"
    r"info)\b",
    r"\btake (?:me|us|my \w+) off\b|\bget (?:me|us) (?:removed|off|out)\b|\b(?:i|we|me|"
    r"us)\b.{0,30}\b(?:get|be) "
    r"(?:removed|taken) (?:from|off)\b",
    rf"{_ASKED}(?:stop|quit|cease|discontinue) (?:\w+ ){{0,2}}{_SEND}",
    rf"\b(?:stop|quit|cease) (?:\w+ )?{_SEND} (?:to |out to )?(?:me|us|my|this (?:address|e-?mail))\b",
    r"\bstop (?:the|these|those|your) (?:\w+ )?(?:e-?mails?|mails?|messages|calls|newsletters?|spam|"
    r"outreach)\b",
    r"\b(?:stop|cease|discontinue) (?:all |any )?(?:further )?(?:communications?|contact|outreach)\b",
    r"^(?:please |pls |just )*stop(?: it| this| now| please)*$",
    rf"\b(?:do not|don't|dont|never|no longer|not to|must not) (?:ever )?{_SEND} (?:\w+ ){{0,4}}{_ANYMORE}\b",
    r"\b(?:do not|don't|dont|never|not to) (?:ever )?(?:e-?mail|mail|contact|message|write(?: to)?|spam|"
    r"bother|"
    r"approach|solicit|text|reach out to) (?:me|us|this|my|our)\b",
    r"\b(?:do not|don't|dont) (?:want|wish|like|care)(?: to)? (?:\w+ )?(?:receiv|get|hear|be contacted|"
    r"your e?-?mails|"
    r"any more)\w*",
    r"\b(?:no more|no further) (?:\w+ )?(?:e-?mails?|messages?|mails?|contact|communication|"
    r"solicitations?)\b",
    r"\bleave (?:me|us) alone\b|\bdo not contact\b(?! list)|\blose my (?:number|e-?mail|address)\b|"
    r"^(?:please |just )?go away\b",
    r"\b(?:clicked|tried|used|hit|pressed) (?:on |to )?(?:the |your )?unsubscribe\b|\balready unsubscribed\b|"
    r"\bunsubscribed (?:twice|already|before|weeks|months|last|several)\b|"
    r"\bstill (?:get|getting|receiv\w+) (?:your |these |all )?(?:e-?mails|mails|messages|newsletters?)\b",
    r"\b(?:withdraw|revoke) (?:my|our) consent\b|\bobject to (?:the )?(?:processing|use)\b|"
    r"\bright to (?:erasure|be forgotten|object)\b",
    r"\breport(?:ing|ed)? (?:you|this|it) (?:as|for) spam\b|\bthis is spam\b",
    # German
    r"^(?=.*(?:nehm|nimm|streich|entfern|lösch|austrag|abmeld|raus|heraus)).*\b(?:aus|von) (?:ihrem|ihrer|"
    r"ihren|eurem|eurer|dem|der|diesem|deinem)?\s?(?:e-?mail-?)?"
    r"(?:verteiler|mailing-?liste|liste|datenbank|newsletter|adressliste)\b",
    r"\bkeine? (?:e-?mails?|mails?|nachrichten|werbung|werbemails?|kontaktaufnahme|anfragen|newsletter)(?: \w+){0,3} "
    r"mehr\b|\bkeine? (?:e-?mails?|mails?|nachrichten|werbung|werbemails?|newsletter)(?: an mich)? (?:schicken|senden|"
    r"zusenden|zuschicken)\b|\bkeine weiteren? (?:e-?mails?|mails?|nachrichten|werb\w+|kontaktauf\w+|anfragen|"
    r"zuschriften)\b",
    r"\b(?:kontaktier|schreib|anschreib|kontakt|beläst|mail)\w*\b.{0,40}\bnicht (?:mehr|wieder|weiter|"
    r"länger)\b",
    r"\bnicht (?:mehr|länger|weiter) (?:zu )?(?:kontaktier|anschreib|angeschrieben|schreib|beläst|mail|"
    r"anzuschreib)",
    r"\b(?:möchte|will|bitte|würde) (?:mich )?(?:gerne )?(?:vom newsletter )?(?:abmelden|austragen|"
    r"abbestellen)\b",
    r"\b(?:melden sie mich|melde mich|tragen sie mich|trag mich) .{0,20}(?:ab|aus)\b",
    r"\b(?:streichen|entfernen|löschen) sie (?:mich|uns|meine|unsere|bitte)\b|\blösch(?:en|"
    r"t) (?:sie )?(?:bitte )?"
    r"(?:alle )?meine\b|\bmeine (?:\w+ )?(?:daten|adresse) (?:\w+ ){0,3}(?:löschen|entfernen)\b",
    r"\b(?:ich|wir) widersprechen?\b|\bwiderspruch (?:gegen|gemäß|nach|ein)|\blege .{0,20}widerspruch|"
    r"\b(?:hören|hör) (?:sie )?(?:bitte )?auf\b|\blassen sie mich in ruhe\b|"
    r"\bunterlassen sie\b",
    # French
    r"\b(?:me|nous|se|m') ?(?:désabonner|desabonner|désinscrire|desinscrire|retirer|supprimer|enlever|"
    r"radier)\b",
    r"\b(?:retirez|supprimez|enlevez|désabonnez|désinscrivez|effacez|rayez)[- ](?:moi|nous|mon|mes|notre)\b",
    r"\bne (?:me |nous |m')\s?(?:contact|écri|envo|sollicit|dérang|mail|relanc)\w*.{0,12}\bplus\b",
    r"\bne plus (?:(?:me |nous |m')\s?(?:contact|écri|envo|sollicit|dérang|relanc)|recevoir|"
    r"être (?:contact|sollicit|"
    r"démarch|relanc))\w*",
    r"\b(?:plus|cessez|arrêtez) (?:recevoir|de (?:m'|me |nous )?\s?(?:envoyer|écrire|contacter|mails?|"
    r"e-?mails?))",
    r"\bdésabonne\w*\b(?! -)|\bdésinscri\w+\b|\bsupprim\w+ (?:mes|nos) données\b|\bje m'oppose\b",
    # Spanish
    r"\b(?:dar(?:me|nos)?|dadme|denme|deme|dame|d[eé]nos|dé) (?:\w+ )?de baja\b|\bdarse de baja\b",
    r"\bno (?:me|nos) (?:env[ií]e|escriba|contacte|mande|moleste|llame|vuelva)[ns]?\b|\bno (?:me|"
    r"nos) (?:envi[eé]is|"
    r"escrib[aá]is|contact[eé]is|mand[eé]is)\b",
    r"\bno (?:quiero|deseo|queremos) (?:recibir|que me|m[aá]s)\b.{0,30}|\bdej(?:e|en|a|ad) de (?:enviar|"
    r"escrib|mand|"
    r"contact|molest)\w*",
    r"\b(?:elim[ií]n|b[oó]rr|qu[ií]t|retír|retir|s[aá]qu|sac)\w*(?:me|nos| mis| mi)\b.{0,40}(?:lista|"
    r"datos|base|correo)|"
    r"\b(?:elim[ií]n|b[oó]rr|qu[ií]t)\w*(?:me|nos)$",
    # Italian
    r"\b(?:cancellar|rimuover|eliminar|toglier|disiscriver)(?:mi|ci)\b|\b(?:cancellate|rimuovete|cancelli|"
    r"rimuova|"
    r"togliete|eliminate|elimini)(?:(?:mi|ci)\b|\b.{0,30}(?:lista|elenco|indirizzo|dati|contatt|mail))",
    r"\bnon (?:scriv|contatt|invia|mand|disturb)\w* (?:\w+ ){0,3}più\b|\bnon (?:desidero|"
    r"voglio) (?:più )?ricevere\b",
    r"\bsmett\w+ di\b",
    # Portuguese
    r"\b(?:remov|retir|exclu|descadastr|tir)\w*[- ]?(?:me|nos|o meu|meu|meus)\b(?:$|.{0,40}(?:lista|"
    r"e-?mail|base|"
    r"dados|cadastro|newsletter|contato))",
    r"\bnão (?:quero|desejo|queremos|gostaria de) (?:mais )?receber\b|\bpar(?:e|em) de (?:me |"
    r"nos )?(?:enviar|"
    r"mandar|escrever|contatar|contactar)\b|\bnão (?:me|nos) (?:envi|contat|contact|escrev|"
    r"mand)\w*.{0,20}mais\b",
    # Dutch
    r"\b(?:mij|me|ons|mijn) (?:\w+ ){0,4}(?:uit ?te ?schrijven|uitschrijven|afmelden|af te melden|"
    r"verwijderen)\b",
    r"\bschrijf (?:mij|me|ons) uit\b|\bmeld (?:mij|me|ons) af\b|\bgeen (?:\w+ )?(?:e-?mails?|mails?|"
    r"berichten) meer\b",
    r"\bverwijder (?:mij|me|mijn|ons)\b|\bniet (?:meer|langer) (?:te )?(?:mailen|contact|benader|"
    r"schrijven|e-?mailen)",
    r"\bstop met (?:mailen|het sturen|sturen|schrijven)",
    # Swedish
    r"\b(?:avregistrera|avprenumerera|ta bort) (?:mig|oss|min)\b|\bsluta (?:mejla|maila|skicka|skriva|"
    r"kontakta)\b|"
    r"\b(?:kontakta|mejla|maila|skriv)\w* (?:inte (?:mig|oss)|(?:till )?(?:mig|oss) inte)\b|"
    r"\binga fler (?:mejl|mail|meddelanden)\b",
    # Polish
    r"\b(?:usunięcie|usunąć|wypisanie|wypisać|usuńcie|usuń|wypisz|wypiszcie|wykreśl\w+) (?:\w+ )?(?:mnie|"
    r"nas|moich|"
    r"mojego|moje)\b|\b(?:mnie|nas) (?:usunąć|wypisać)\b|\bnie (?:chcę|życzę sobie|chcemy) (?:\w+ ){0,2}"
    r"(?:otrzymywać|dostawać|wiadomości|maili)|\bnie (?:pisz|wysyłaj|kontaktuj)\w*.{0,30}więcej\b|"
    r"\bproszę (?:więcej )?nie (?:pisać|wysyłać|kontaktować)",
    # Chinese, Japanese
    r"不要再(?:给我|给我们|发|联系|打扰|寄)|别再(?:给我|发|联系)|退订|取消订阅|停止(?:发送|发邮件)|删除我|移除我|"
    r"請不要再|请勿再|勿再",
    r"配信(?:を)?(?:停止|解除|中止)|(?:メール|連絡)(?:を|は)?(?:送らないで|しないで|やめて|不要|お控え)|"
    r"リストから(?:削除|外)|登録(?:を)?(?:解除|削除)|購読(?:を)?解除|送信(?:を)?停止",
    # Further ways of saying it
    r"\b(?:do not|don't|dont|no longer|not) (?:want|wish|like|care|agree|consent)(?: to)? (?:be|remain|stay|keep|"
    r"continue)\b.{0,40}\b(?:list|contacted|mail\w*|e-?mail\w*|database|receiving|getting|sequence|newsletter)\b",
    r"\b(?:is|are|you're|you are|keep|of|been|be) spamming\b|\bunsolicited\b|\bopt (?:me|us|my \w+) out\b|"
    r"\bspam(?:ming)? (?:me|us)\b",
    r"\b(?:want|get|let|like|leave|am|be) (?:\w+ )?(?:me |us )?(?:out of|off)(?: of)? (?:this|your|the|all)\b.{0,20}"
    r"\b(?:list|mailing|e-?mails?|newsletter|sequence)\b",
    r"\b(?:refrain|desist|abstain) from (?:\w+ )?(?:contact|e-?mail|mail|send|writ|call|messag|reach|approach)\w*|"
    r"\bcease and desist\b",
    r"^(?:please |pls |kindly |so |and )*(?:do not|don't|dont|never) (?:ever )?(?:call|e-?mail|mail|contact|message|text|"
    r"write|reach out)(?:(?:,| or| and|/) ?(?:call|e-?mail|mail|contact|message|text|write))*(?: please| at all)?$",
    r"\b(?:do not|don't|did not|didn't|never) (?:give |gave |given |have )?(?:you )?(?:my |any )?consent\w*|"
    r"\bwithout (?:my|our) (?:consent|permission)\b",
    r"\b(?:never|did not|didn't|have not|haven't) (?:sign(?:ed)? up|subscribed?|opt(?:ed)? in|ask(?:ed)? for (?:this|these))\b",
    r"\b(?:block|blacklist|blocked|blocking) (?:you|your|this)\b|\badd (?:me|us) to your (?:do not|suppression|dnc)\b|"
    r"\bput (?:me|us) on your (?:do not|suppression|dnc)\b|\bno (?:unsolicited|marketing|sales) (?:e-?mails?|mails?|calls)\b",
    r"\blöschung (?:meiner|unserer|aller|der|von)\b|\bnichts mehr (?:\w+ )?(?:senden|schicken|schreiben|zusenden|hören)\b|"
    r"\b(?:senden|schicken|schreiben|mailen|schick|schickt|sendet) (?:\w+ ){0,3}nichts mehr\b",
    r"\bhör(?:t|en|e)? (?:\w+ ){0,3}auf\b|\bin ruhe lassen\b|\bverschon\w+\b|\bunerwünscht\w*|\bunverlangt\w*|"
    r"\b(?:nehmt|nimm|nehmen) (?:sie )?(?:mich|uns) (?:\w+ ){0,5}(?:raus|heraus)\b|\babbestell\w+|\babzumelden\b|"
    r"\b(?:werbung|zusendung\w*|mails?|e-?mails?) (?:\w+ ){0,2}(?:einstellen|einzustellen|unterlassen|unterlassen)\b|"
    r"\bstellen sie .{0,40}\bein$",
    r"\b(?:supprim|effac|retir|enlev|ray|radi)(?:er|ez|e)? ?-?(?:moi|mon|mes|notre|nos|nous)\b|"
    r"\bplus (?:de |aucun |d')\s?(?:mails?|e-?mails?|messages?|courriels?|sollicitations?)\b|\blaissez[- ]moi tranquille\b|"
    r"\barrêt\w+ (?:\w+ )?(?:de |d'|ces |vos )",
    r"\bplus recevoir\b|\bplus être (?:contacté|sollicité|démarché)",
    r"\b(?:s[aá]quen|qu[ií]ten|b[oó]rren|elim[ií]nen|saca|quita|borra|elimina)(?:me|nos)\b|\bno (?:me|nos) vuelv\w+ a\b|"
    r"\bd[eé]je(?:n|me|nme)? (?:en paz|de)\b|\bno autorizo\b|\bbasta de\b",
    r"\btogli\w*(?:mi|ci)\b|\bnon (?:desidero|voglio|vogliamo) .{0,15}(?:ricevere|essere contatt\w+)|\bbasta (?:e-?mail|mail)\b",
    r"\b(?:me|nos) (?:tire|tirem|remova|removam|retire|retirem|exclua|excluam)\b|\bnão (?:autorizo|quero mais)\b|"
    r"\bchega de\b",
    r"\buit (?:de|uw|jullie|deze|je) (?:\w+ )?(?:mailing)?(?:lijst|bestand|database|mailinglijst)\b|\b(?:graag|wil|gelieve|"
    r"verzoek) .{0,30}(?:uitschrijven|afmelden|uit te schrijven|uitgeschreven)\b|\bgeen prijs op\b",
    r"\bnie (?:przysyła|wysyła|pis|kontaktowa|dzwoni|mailowa|kontaktuj)\w*|\busun\w+ .{0,30}(?:z listy|z bazy|dane|adres|"
    r"mnie|maila)\b|\bwypis\w+ mnie\b",
    r"\bvill inte (?:ha|få|längre) .{0,20}(?:mejl|mail|utskick|meddelanden)|\bsluta (?:spamma|mejla)\b|\bta bort (?:mig|min|oss)\b",
    r"把(?:我|我们|本人).{0,12}(?:删除|移除|去掉|剔除)|不想(?:再)?(?:收到|接收)|(?:请)?停止(?:发|骚扰|联系)|"
    r"别(?:再)?(?:发|联系|骚扰)|不要(?:发|联系|打扰)我|删除我的|拉黑",
    r"(?:今後|以後).{0,12}(?:不要|お断り|控え|送ら|連絡し)|送らないで|送信しないで|メール(?:は|が)?(?:不要|いりません)|"
    r"(?:個人情報|アドレス|登録).{0,6}(?:削除|消して|抹消)|営業(?:メール)?(?:は)?お断り",
)
NOT_OPT_OUT = _any(
    # asked not to be removed
    r"\b(?:do not|don't|dont|did not|didn't|never|not|no need to|rather not) (?:want to |wish to |"
    r"like to |yet )?"
    r"(?:remove|unsubscribe|take (?:me|us|my)|opt out|delete|drop|unsub|stop)\b",
    r"\bnicht (?:vom|von|aus) .{0,30}(?:abmelden|entfernen|streichen|nehmen|austragen|löschen)\b|"
    r"\b(?:mich|uns) (?:bitte )?(?:noch )?nicht (?:abmelden|entfernen|streichen|austragen|löschen|aus )",
    r"\bne (?:me|nous) (?:retirez|supprimez|désabonnez|désinscrivez) pas\b|\bne pas (?:me |"
    r"nous )?(?:retirer|supprimer)",
    r"\bno (?:me|nos) (?:d[eé]n?|elimin\w+|borr\w+|quit\w+) (?:\w+ ){0,3}(?:de baja|de la lista|lista)|"
    r"\bno quiero darme",
    r"\b(?:your|our|the) (?:customers|users|recipients|leads|prospects|subscribers|clients|"
    r"contacts) (?:can |to |could )?"
    r"(?:unsubscribe|opt)\b|\b(?:vos|les|nos) (?:clients|utilisateurs|destinataires|contacts)\b|"
    r"\b(?:ihre|unsere|die) (?:kunden|nutzer|empfänger)\b",
    # speaks of the product, or of somebody else's list
    r"^(?:is|are|does|do your|do you|what|which|where|when|why|can your|can our|can customers|how do your|"
    r"how does|how do (?:people|customers|users|leads|recipients)|if (?:people|customers|users|leads))\b.*"
    r"\b(?:unsubscrib|opt[ -]?out|stop|remov|delet|right to|object)",
    r"\bunsubscribe (?:link|page|header|rate|feature|button|flow|list|handling|"
    r"option)s?\b(?!.*\b(?:broken|does not work"
    r"|doesn't work|not working|no longer)\b)",
)

NEGATIVE = _any(
    r"\bnot (?:\w+ ){0,3}interested\b(?<!not only are we interested)|\b(?:aren't|isn't|wasn't|weren't|ain't) "
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
    r"\bno (?:\w+ )?(?:estamos|estoy) (?:\w+ )?interesad\w+|\bno (?:nos|me) interesa\b|\bno,? gracias\b|\bya "
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

POSITIVE = _any(
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
