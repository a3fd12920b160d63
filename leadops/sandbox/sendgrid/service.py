"""The vendor's HTTP API, as strict as the vendor. Facts: the vendored descriptions.

No idempotency (the same request twice is two messages), and no look-up of messages unless the account has
bought it (``activity_addon``), as with the vendor.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from leadops.sandbox.frame import Answer, Ask, Clock, Provider
from leadops.sandbox.sendgrid import description, rules
from leadops.sandbox.sendgrid.activity import messages
from leadops.sandbox.sendgrid.mail import Draft, drafts_of
from leadops.sandbox.sendgrid.mailroom import Mailroom

LARGEST = 30 * 1024 * 1024
WINDOW_S = 60
SCOPES = (
    "mail.batch.create",
    "mail.batch.read",
    "mail.send",
    "suppression.read",
    "user.scheduled_sends.read",
)
_SAID = {
    400: "Bad Request",
    401: "The provided authorization grant is invalid, expired, or revoked",
    403: "access forbidden",
    404: "not found",
    405: "method not allowed",
    415: "Content-Type should be application/json.",
    429: "too many requests",
    500: "internal server error",
}
_NGINX = {
    413: "Request Entity Too Large",
    502: "Bad Gateway",
    503: "Service Temporarily Unavailable",
    504: "Gateway Time-out",
}
_UNVERIFIED = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is "
    "resolved. Visit https://sendgrid.com/docs/for-developers/sending-email/sender-identity/ to see the "
    "Sender Identity requirements"
)
Handler = Callable[[Ask, str], Answer]


class SendGridSandbox(Provider):
    """Takes mail into its :class:`Mailroom`.

    ``verified``: domains or addresses that may stand in From; empty: any. ``scopes``: what the key may do.
    ``rate_limit``: requests a minute (the vendor publishes no number). ``validate=False`` does not ask the
    description, for a simulated past of many messages; the other rules hold.
    """

    name = "sendgrid"

    def __init__(
        self,
        clock: Clock,
        key: str,
        seed: int = 7,
        validate: bool = True,
        *,
        verified: Iterable[str] = (),
        scopes: Iterable[str] = SCOPES,
        rate_limit: int = 100_000,
        keeps_message_id: bool = False,
        tracks_by_default: bool = True,
        activity_addon: bool = False,
    ) -> None:
        super().__init__(clock, seed)
        self.mailroom = Mailroom(seed, keeps_message_id)
        self.key = key
        self.validate = validate
        self.verified = frozenset(name.lower() for name in verified)
        self.scopes = tuple(scopes)
        self.rate_limit = rate_limit
        self.tracks_by_default = tracks_by_default
        self.activity_addon = activity_addon
        self._seed = seed
        self._batches: set[str] = set()
        self._window, self._used = 0, 0
        self._routes: tuple[tuple[str, re.Pattern[str], str, Handler], ...] = (
            ("POST", re.compile(r"/v3/mail/send"), "mail.send", self._send),
            ("POST", re.compile(r"/v3/mail/batch"), "mail.batch.create", self._new_batch),
            ("GET", re.compile(r"/v3/mail/batch/([^/]+)"), "mail.batch.read", self._batch),
            ("GET", re.compile(r"/v3/scopes()"), "", self._scopes),
            (
                "GET",
                re.compile(r"/v3/suppression/(bounces|blocks|invalid_emails|spam_reports|unsubscribes)"),
                "suppression.read",
                self._list,
            ),
            (
                "GET",
                re.compile(r"/v3/suppression/((?:bounces|blocks|invalid_emails|spam_reports)/[^/]+)"),
                "suppression.read",
                self._entry,
            ),
            (
                "GET",
                re.compile(r"/v3/asm/suppressions/global/([^/]+)"),
                "suppression.read",
                self._global,
            ),
            ("GET", re.compile(r"/v3/messages()"), "", self._messages),
        )

    def handle(self, ask: Ask) -> Answer:
        limits, exceeded = self._count()
        answer = self.refusal(429) if exceeded else self._routed(ask)
        return replace(answer, headers={**limits, **answer.headers})

    def refusal(self, status: int) -> Answer:
        if status in _NGINX:
            return _nginx(status)
        headers = self._limits(0) if status == 429 else {}
        return _errors(status, [("", _SAID.get(status, "Bad Request"))], headers)

    def summary(self) -> list[tuple[str, ...]]:
        """(kind, who, what) of what changed beyond mail, for the page: the suppression lists."""
        lists = self.mailroom.suppressions
        return [
            (name, entry["email"], entry.get("reason", ""))
            for name in ("bounces", "blocks", "invalid_emails", "spam_reports", "unsubscribes")
            for entry in lists.of(name)
        ]

    def _count(self) -> tuple[dict[str, str], bool]:
        window = int(self.clock().timestamp()) // WINDOW_S
        if window != self._window:
            self._window, self._used = window, 0
        self._used += 1
        return self._limits(max(0, self.rate_limit - self._used)), self._used > self.rate_limit

    def _limits(self, remaining: int) -> dict[str, str]:
        reset = (int(self.clock().timestamp()) // WINDOW_S + 1) * WINDOW_S
        return {
            "x-ratelimit-limit": str(self.rate_limit),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(reset),
        }

    def _routed(self, ask: Ask) -> Answer:
        given = ask.headers.get("authorization", "")
        if not given:
            return _errors(401, [("", "authorization required")])
        if given != f"Bearer {self.key}":
            return self.refusal(401)
        known = False
        for method, pattern, scope, handler in self._routes:
            match = pattern.fullmatch(ask.path)
            if match is None:
                continue
            known = True
            if method == ask.method:
                if scope and scope not in self.scopes:
                    return self.refusal(403)
                return handler(ask, match.group(1) if match.groups() else "")
        return self.refusal(405 if known else 404)

    def _send(self, ask: Ask, _rest: str) -> Answer:
        if len(ask.body) > LARGEST:
            return _nginx(413)
        if ask.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
            return self.refusal(415)
        try:
            judged = self._judged(ask.json())
        except (ValueError, KeyError, TypeError, AttributeError):
            # No JSON, or of another shape than the description's where that is not asked.
            return self.refusal(400)
        if isinstance(judged, Answer):
            return judged
        # Outside of the try: what a listener does wrong must not look like a refusal.
        return Answer(202, b"", {"x-message-id": self.mailroom.accept(judged, self.clock())})

    def _judged(self, request: Any) -> Answer | list[Draft]:
        """The messages of a good request; else the answer."""
        if problems := self._problems(request):
            return _errors(400, problems)
        if unverified := self._unverified(request):
            return _errors(403, [(unverified, _UNVERIFIED)], help_for=lambda _: None)
        drafts = drafts_of(request, self.tracks_by_default)
        testing = ((request.get("mail_settings") or {}).get("sandbox_mode") or {}).get("enable")
        return Answer(200) if testing else drafts

    def _problems(self, request: Any) -> list[rules.Problem]:
        if self.validate and (found := description.request_problems(request)):
            return found
        return rules.problems(request, self.clock(), frozenset(self._batches))

    def _unverified(self, request: Mapping[str, Any]) -> str | None:
        """The field whose sender is not verified."""
        senders = {"from": request["from"]}
        for n, one in enumerate(request["personalizations"]):
            if one.get("from"):
                senders[f"personalizations.{n}.from"] = one["from"]
        for field, sender in senders.items():
            address = sender["email"].lower()
            if self.verified and not {address, address.rpartition("@")[2]} & self.verified:
                return field
        return None

    def _new_batch(self, _ask: Ask, _rest: str) -> Answer:
        parts = f"{self._seed}:{self.clock().isoformat()}:{len(self._batches)}"
        made = hashlib.sha256(parts.encode()).hexdigest()[:48]
        self._batches.add(made)
        return Answer.of(201, {"batch_id": made})

    def _batch(self, _ask: Ask, batch: str) -> Answer:
        if batch not in self._batches:
            return _errors(400, [("batch_id", "The batch_id is not valid.")])
        return Answer.of(200, {"batch_id": batch})

    def _scopes(self, _ask: Ask, _rest: str) -> Answer:
        return Answer.of(200, {"scopes": list(self.scopes)})

    def _list(self, ask: Ask, name: str) -> Answer:
        try:
            limit, offset = int(ask.query.get("limit", 500)), int(ask.query.get("offset", 0))
            begin, end = int(ask.query.get("start_time", 0)), int(ask.query.get("end_time", 2**40))
        except ValueError:
            return self.refusal(400)
        if not (1 <= limit <= 500 and offset >= 0):
            return _errors(400, [("limit", "limit must be between 1 and 500, offset 0 or more")])
        part = ask.query.get("email", "").lower()
        found = [
            entry
            for entry in self.mailroom.suppressions.of(name)
            if begin <= entry["created"] <= end and part in entry["email"].lower()
        ]
        return Answer.of(200, found[offset : offset + limit])

    def _entry(self, _ask: Ask, rest: str) -> Answer:
        name, _, email = rest.partition("/")
        found = self.mailroom.suppressions.on(name, email)
        return Answer.of(200, [found] if found else [])

    def _global(self, _ask: Ask, email: str) -> Answer:
        # An address that is not suppressed is answered with an empty object, whatever is described.
        found = self.mailroom.suppressions.on("unsubscribes", email)
        return Answer.of(200, {"recipient_email": found["email"]} if found else {})

    def _messages(self, ask: Ask, _rest: str) -> Answer:
        if not self.activity_addon:
            return self.refusal(404)
        try:
            return Answer.of(200, {"messages": messages(self.mailroom, ask.query)})
        except ValueError as error:
            return _errors(400, [("query", str(error))])


def _errors(
    status: int,
    problems: list[rules.Problem],
    headers: Mapping[str, str] | None = None,
    help_for: Callable[[str], str | None] = lambda f: f"{description.HELP}#message.{_without_numbers(f)}",
) -> Answer:
    """The vendor's error body. ``problems`` are kept with the exchange when they are about the request."""
    errors = [
        {"message": message, "field": field or None, "help": help_for(field) if field else None}
        for field, message in problems
    ]
    told = tuple(f"{field}: {message}" if field else message for field, message in problems)
    return Answer.of(status, {"errors": errors}, headers, told)


def _without_numbers(field: str) -> str:
    return ".".join(part for part in field.split(".") if not part.isdigit())


def _nginx(status: int) -> Answer:
    title = f"{status} {_NGINX[status]}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, page.encode(), {"content-type": "text/html"}, (title,))
