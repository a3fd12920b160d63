"""The shape of ``mapping.yaml``: how the rows of files become events. Reading it: ``mapping.py``."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from leadops.terms import EventKind

TEMPLATE_COLUMN = re.compile(r"\{([^{}]+)\}")
Format = Literal["csv", "jsonl", "events"]
ContactField = Literal[
    "email", "name", "first_name", "last_name", "company", "title", "phone", "country", "timezone",
    "company_size", "crm_id",
]  # fmt: skip


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(_Strict):
    """Where a value comes from; exactly one of the three. Plain text in the file means a column, or,
    where it holds ``{column}``, a template. A template with a blank column is blank.
    """

    column: str | None = None
    template: str | None = None
    constant: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [v for v in (self.column, self.template, self.constant) if v is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of column, template, constant")
        if self.template is not None and not TEMPLATE_COLUMN.search(self.template):
            raise ValueError("a template needs at least one {column}; for fixed text write constant:")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        if self.column is not None:
            return (self.column,)
        return tuple(TEMPLATE_COLUMN.findall(self.template or ""))


def _value(given: Any) -> Any:
    if isinstance(given, str):
        return {"template" if TEMPLATE_COLUMN.search(given) else "column": given}
    return given


AnyValue = Annotated[Value, BeforeValidator(_value)]


class KindByColumn(_Strict):
    """The kind of each row, from a column. ``map`` compares without case and surrounding blanks."""

    column: str
    map: dict[str, EventKind] = Field(min_length=1)
    otherwise: EventKind | Literal["skip"] | None = Field(
        None, description="For values not in map: a kind, or skip the row; unset: such a row is an error."
    )


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"unknown time zone {name!r}; use an IANA name such as Europe/Berlin")
    return name


class When(_Strict):
    """When it happened. Without ``format``: ISO 8601, a date alone being the start of that day."""

    column: str
    format: str | None = Field(None, description="strptime format, or epoch, or epoch_ms.")
    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        "UTC", description="Of dates and of times that name no zone themselves."
    )

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.format is not None and self.format not in ("epoch", "epoch_ms") and "%" not in self.format:
            raise ValueError("format: a strptime format such as %d/%m/%Y %H:%M, or epoch, or epoch_ms")
        return self


def _columns(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _delimiter(given: Any) -> Any:
    return {"tab": "\t", "\\t": "\t"}.get(given, given) if isinstance(given, str) else given


def _encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except LookupError:
        raise ValueError(f"unknown encoding {name!r}; try utf-8 or cp1252") from None
    # Lines are cut in the bytes, before decoding.
    if "\n".encode(found.name) != b"\n":
        raise ValueError(f"{name} cannot be read line by line; save the file as utf-8")
    return found.name


class FileSpec(_Strict):
    """How the files of one pattern become events."""

    pattern: str = Field(min_length=1, description='Of the file name, such as "leads*.csv".')
    name: str | None = Field(None, description="For `leadops import --spec`; unset: the pattern.")
    format: Format | None = Field(
        None, description="Unset: by suffix (.jsonl, .ndjson; else csv). events: JSONL of wire events."
    )
    source: str = Field(
        "files", min_length=1, max_length=100, description="Who told us; part of the event id."
    )
    kind: EventKind | KindByColumn | None = None
    id: Annotated[tuple[str, ...], BeforeValidator(_columns)] = Field(
        (), description="Columns that name the event; none: a digest of the row and its line number."
    )
    id_prefix: str | None = Field(
        None, description="Keeps ids of several files apart; unset: the row's kind."
    )
    occurred_at: When | None = None
    contact: dict[ContactField, AnyValue] = Field(default_factory=dict)
    properties: dict[str, AnyValue] = Field(default_factory=dict)
    consent: dict[str, AnyValue] = Field(default_factory=dict)
    optional: tuple[str, ...] = Field(
        (), description="Columns that a csv file may lack; '*' for all. Others missing: the file waits."
    )
    delimiter: Annotated[str, BeforeValidator(_delimiter)] = ","
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    blanks: tuple[str, ...] = Field(("",), description="Texts that mean blank (after stripping blanks).")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "/" in self.pattern or "\\" in self.pattern:
            raise ValueError("pattern: a file name without folders")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ValueError("delimiter: one character (tab for a tabulator)")
        if self.format == "events":
            return self
        missing = [name for name in ("kind", "occurred_at") if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing (only format: events needs none)")
        return self

    @property
    def label(self) -> str:
        return self.name or self.pattern

    def format_of(self, file_name: str) -> Format:
        """The format of a file of this pattern."""
        if self.format is not None:
            return self.format
        return "jsonl" if file_name.lower().endswith((".jsonl", ".ndjson")) else "csv"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column the spec reads, each once, in the order of the spec."""
        named = [*self.id]
        if isinstance(self.kind, KindByColumn):
            named.append(self.kind.column)
        if self.occurred_at is not None:
            named.append(self.occurred_at.column)
        for values in (self.contact, self.properties, self.consent):
            for value in values.values():
                named.extend(value.columns)
        return tuple(dict.fromkeys(named))


class Mapping(_Strict):
    """A whole ``mapping.yaml``. A file belongs to the first spec whose pattern fits its name."""

    files: tuple[FileSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _labels(self) -> Self:
        labels = [spec.label for spec in self.files]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        if twice:
            raise ValueError(f"two specs are called {', '.join(twice)}; give them names of their own")
        return self
