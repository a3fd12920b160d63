"""The words people use to ask not to be contacted, and sentences that only look like it. By language.

Belongs here: patterns only, for sentences in lower case as ``replies.py`` prepares them. A missed opt-out is
worse than a false one, so these reach further than the words of yes and no.
"""

from __future__ import annotations

import re

from leadops.domain.reply_words import any_of

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
    r")(?: (?:tack|danke|merci|gracias|thanks|thank you|grazie|obrigado|please|pls|bitte|svp|por favor|"
    r"graag|"
    r"per favore|alstublieft|now|asap|sofort|immediately))*"
)

_SEND = (
    r"(?:e-?mail|mail|contact|messag|writ|send|spam|bother|call|text|reach|pester|harass|solicit|"
    r"approach)\w*"
)
_ASKED = (
    r"(?:^|\b(?:you (?:must|should|need to|have to|better)|can you|could you|would you|will you|please|"
    r"pls|kindly|"
    r"just|but|and|then|so|now) |[,:-] ?)"
)
_ANYMORE = r"(?:any ?more|any longer|again|ever|further|in (?:the )?future)"
OPT_OUT = any_of(
    # English
    r"\b(?:please |pls |want to |like to |wish to |kindly |me to |need to |must |i |can i |do i |to )?"
    r"unsub(?:scribe)? (?:me|us|this|from (?:this|these|your|all|any|the))\b",
    r"\b(?:want|like|wish|need|trying|tried|asked|request\w*) (?:to )?(?:be )?(?:un-?subscribed?|"
    r"opt(?:ed)? out)\b",
    r"^(?:please |pls |kindly |just )*(?:un-?subscribe|opt[ -]out|unsub)\b",
    r"\bhow (?:do|can|to|would) (?:i |we |one )?(?:unsubscribe|opt out|get off|get removed)",
    r"\b(?:remove|delete|erase|drop|take|strike|scrub) (?:me|us|my|this (?:address|e-?mail|contact|"
    r"account)|"
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
    rf"\b(?:do not|don't|dont|never|no longer|not to|must not) (?:ever )?{_SEND} (?:\w+ "
    rf"){{0,4}}{_ANYMORE}\b",
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
    r"\b(?:clicked|tried|used|hit|pressed) (?:on |to )?(?:the |your )?unsubscribe\b|\balready "
    r"unsubscribed\b|"
    r"\bunsubscribed (?:twice|already|before|weeks|months|last|several)\b|"
    r"\bstill (?:get|getting|receiv\w+) (?:your |these |all )?(?:e-?mails|mails|messages|newsletters?)\b",
    r"\b(?:withdraw|revoke) (?:my|our) consent\b|\bobject to (?:the )?(?:processing|use)\b|"
    r"\bright to (?:erasure|be forgotten|object)\b",
    r"\breport(?:ing|ed)? (?:you|this|it) (?:as|for) spam\b|\bthis is spam\b",
    # German
    r"^(?=.*(?:nehm|nimm|streich|entfern|lösch|austrag|abmeld|raus|heraus)).*\b(?:aus|von) (?:ihrem|ihrer|"
    r"ihren|eurem|eurer|dem|der|diesem|deinem)?\s?(?:e-?mail-?)?"
    r"(?:verteiler|mailing-?liste|liste|datenbank|newsletter|adressliste)\b",
    r"\bkeine? (?:e-?mails?|mails?|nachrichten|werbung|werbemails?|kontaktaufnahme|anfragen|"
    r"newsletter)(?: \w+){0,3} "
    r"mehr\b|\bkeine? (?:e-?mails?|mails?|nachrichten|werbung|werbemails?|newsletter)(?: an mich)? "
    r"(?:schicken|senden|"
    r"zusenden|zuschicken)\b|\bkeine weiteren? (?:e-?mails?|mails?|nachrichten|werb\w+|kontaktauf\w+|"
    r"anfragen|"
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
    r"\b(?:retirez|supprimez|enlevez|désabonnez|désinscrivez|effacez|rayez)[- ](?:moi|nous|mon|mes|"
    r"notre)\b",
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
    r"\b(?:do not|don't|dont|no longer|not) (?:want|wish|like|care|agree|consent)(?: to)? (?:be|remain|"
    r"stay|keep|"
    r"continue)\b.{0,40}\b(?:list|contacted|mail\w*|e-?mail\w*|database|receiving|getting|sequence|"
    r"newsletter)\b",
    r"\b(?:is|are|you're|you are|keep|of|been|be) spamming\b|\bunsolicited\b|\bopt (?:me|us|my \w+) out\b|"
    r"\bspam(?:ming)? (?:me|us)\b",
    r"\b(?:want|get|let|like|leave|am|be) (?:\w+ )?(?:me |us )?(?:out of|off)(?: of)? (?:this|your|the|"
    r"all)\b.{0,20}"
    r"\b(?:list|mailing|e-?mails?|newsletter|sequence)\b",
    r"\b(?:refrain|desist|abstain) from (?:\w+ )?(?:contact|e-?mail|mail|send|writ|call|messag|reach|"
    r"approach)\w*|"
    r"\bcease and desist\b",
    r"^(?:please |pls |kindly |so |and )*(?:do not|don't|dont|never) (?:ever )?(?:call|e-?mail|mail|"
    r"contact|message|text|"
    r"write|reach out)(?:(?:,| or| and|/) ?(?:call|e-?mail|mail|contact|message|text|write))*(?: please|"
    r" at all)?$",
    r"\b(?:do not|don't|did not|didn't|never) (?:give |gave |given |have )?(?:you )?(?:my |any "
    r")?consent\w*|"
    r"\bwithout (?:my|our) (?:consent|permission)\b",
    r"\b(?:never|did not|didn't|have not|haven't) (?:sign(?:ed)? up|subscribed?|opt(?:ed)? in|"
    r"ask(?:ed)? for (?:this|these))\b",
    r"\b(?:block|blacklist|blocked|blocking) (?:you|your|this)\b|\badd (?:me|us) to your (?:do not|"
    r"suppression|dnc)\b|"
    r"\bput (?:me|us) on your (?:do not|suppression|dnc)\b|\bno (?:unsolicited|marketing|sales) "
    r"(?:e-?mails?|mails?|calls)\b",
    r"\blöschung (?:meiner|unserer|aller|der|von)\b|\bnichts mehr (?:\w+ )?(?:senden|schicken|schreiben|"
    r"zusenden|hören)\b|"
    r"\b(?:senden|schicken|schreiben|mailen|schick|schickt|sendet) (?:\w+ ){0,3}nichts mehr\b",
    r"\bhör(?:t|en|e)? (?:\w+ ){0,3}auf\b|\bin ruhe lassen\b|\bverschon\w+\b|\bunerwünscht\w*|"
    r"\bunverlangt\w*|"
    r"\b(?:nehmt|nimm|nehmen) (?:sie )?(?:mich|uns) (?:\w+ ){0,5}(?:raus|heraus)\b|\babbestell\w+|"
    r"\babzumelden\b|"
    r"\b(?:werbung|zusendung\w*|mails?|e-?mails?) (?:\w+ ){0,2}(?:einstellen|einzustellen|unterlassen|"
    r"unterlassen)\b|"
    r"\bstellen sie .{0,40}\bein$",
    r"\b(?:supprim|effac|retir|enlev|ray|radi)(?:er|ez|e)? ?-?(?:moi|mon|mes|notre|nos|nous)\b|"
    r"\bplus (?:de |aucun |d')\s?(?:mails?|e-?mails?|messages?|courriels?|sollicitations?)\b|"
    r"\blaissez[- ]moi tranquille\b|"
    r"\barrêt\w+ (?:\w+ )?(?:de |d'|ces |vos )",
    r"\bplus recevoir\b|\bplus être (?:contacté|sollicité|démarché)",
    r"\b(?:s[aá]quen|qu[ií]ten|b[oó]rren|elim[ií]nen|saca|quita|borra|elimina)(?:me|nos)\b|\bno (?:me|"
    r"nos) vuelv\w+ a\b|"
    r"\bd[eé]je(?:n|me|nme)? (?:en paz|de)\b|\bno autorizo\b|\bbasta de\b",
    r"\btogli\w*(?:mi|ci)\b|\bnon (?:desidero|voglio|vogliamo) .{0,15}(?:ricevere|essere contatt\w+)|"
    r"\bbasta (?:e-?mail|mail)\b",
    r"\b(?:me|nos) (?:tire|tirem|remova|removam|retire|retirem|exclua|excluam)\b|\bnão (?:autorizo|"
    r"quero mais)\b|"
    r"\bchega de\b",
    r"\buit (?:de|uw|jullie|deze|je) (?:\w+ )?(?:mailing)?(?:lijst|bestand|database|mailinglijst)\b|"
    r"\b(?:graag|wil|gelieve|"
    r"verzoek) .{0,30}(?:uitschrijven|afmelden|uit te schrijven|uitgeschreven)\b|\bgeen prijs op\b",
    r"\bnie (?:przysyła|wysyła|pis|kontaktowa|dzwoni|mailowa|kontaktuj)\w*|\busun\w+ .{0,30}(?:z listy|"
    r"z bazy|dane|adres|"
    r"mnie|maila)\b|\bwypis\w+ mnie\b",
    r"\bvill inte (?:ha|få|längre) .{0,20}(?:mejl|mail|utskick|meddelanden)|\bsluta (?:spamma|mejla)\b|"
    r"\bta bort (?:mig|min|oss)\b",
    r"把(?:我|我们|本人).{0,12}(?:删除|移除|去掉|剔除)|不想(?:再)?(?:收到|接收)|(?:请)?停止(?:发|骚扰|联系)|"
    r"别(?:再)?(?:发|联系|骚扰)|不要(?:发|联系|打扰)我|删除我的|拉黑",
    r"(?:今後|以後).{0,12}(?:不要|お断り|控え|送ら|連絡し)|送らないで|送信しないで|メール(?:は|が)?(?:不要|いりません)|"
    r"(?:個人情報|アドレス|登録).{0,6}(?:削除|消して|抹消)|営業(?:メール)?(?:は)?お断り",
    r"^(?:please |pls |just |and |so )*(?:stop|quit|cut|drop) (?:it|this|that|these)(?: out)?(?: now| "
    r"please)*$|"
    r":\s*(?:please )?(?:stop|quit) (?:it|this)$",
    r"\b(?:remove|delete|erase|drop) (?:this|the|that) (?:e-?mail )?(?:address|contact|account|mailbox)\b",
    r"\b(?:erase|delete|remove) (?:everything|anything|all|whatever) (?:\w+ ){0,3}(?:about|on|of) (?:me|"
    r"us)\b",
    r"^(?:please |pls |kindly )*(?:do not|don't|dont|never) (?:\w+ )?(?:send|e-?mail|mail|write)(?: me| "
    r"us)? (?:anything|"
    r"nothing|any more|any further|more|further|another)\b",
    r"\b(?:no longer|do not|don't|dont|never) (?:want|wish|care|need|like)(?: to)? (?:ever )?(?:hear|"
    r"receive|get|see)\b"
    r".{0,20}\b(?:from you|e-?mails?|mails?|messages?|again|these|this|newsletters?)\b",
    r"\benough (?:with|of) (?:the|these|your|this)\b|\b(?:last|final) (?:e-?mail|mail|message) (?:you|i)\b|"
    r"\bmake (?:this|it|that) (?:be )?(?:the|your) (?:last|final)\b|"
    r"\b(?:not|no|never) (?:\w+ ){0,2}permission to (?:e-?mail|mail|contact|write|call|message)\b",
    r"^(?:bitte )?keine? (?:\w+ )?(?:werbung|werbemails?|e-?mails?|mails?|newsletter|anrufe)(?: mehr| "
    r"bitte| danke)*$|"
    r"\blösch\w* (?:sie |bitte )*(?:mein|unser|meinen|unseren|diesen)\w* (?:kontakt|adresse|eintrag|"
    r"daten|e-?mail)\w*",
    r"\b(?:ne )?(?:veux|voulons|souhaite|souhaitons|désire) plus (?:de |recevoir|entendre|être)",
    r"\beliminación de (?:mis|nuestros) datos\b|\bpar(?:e|en|a|ad) de (?:mandar|enviar|escrib|contact|"
    r"molest|llam)\w*|"
    r"\bno vuelv\w+ a (?:contact|escrib|mand|envi|llam|molest)\w*|\bno más (?:correos|mensajes|"
    r"e-?mails?)\b",
    r"\bhaal (?:mij|me|ons)\b|\bgeen (?:mails?|e-?mails?|berichten|reclame) (?:meer|alstublieft|aub)\b",
    r"(?:メール|配信|送信|連絡).{0,6}(?:止め|停止|やめ)(?:て|る)|退会",
    r"\b(?:prefer|rather) not (?:to )?(?:get|receive|be|hear|have)\b.{0,20}\b(?:these|your|e-?mails?|"
    r"mails?|contacted|"
    r"from you|messages)\b|\bun-?enroll? (?:me|us)\b|\bobject to (?:\w+ ){0,2}(?:marketing|processing|"
    r"use|e-?mails?)\b",
    r"^(?:please |pls |kindly |just )*(?:remove|delete) from (?:the |your |this )?(?:\w+ )?(?:list|"
    r"database|mailing)\b|"
    r"^(?:remover|retirar|excluir) da (?:lista|base)\b",
)
NOT_OPT_OUT = any_of(
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
