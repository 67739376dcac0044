"""What a gateway request wants: the response format and its parameters, from the query and the Accept header.

    ?format=car&car-dups=y          -> Wanted(Format.CAR, car=CarWanted(dups=True))
    Accept: application/vnd.ipld.raw -> Wanted(Format.RAW, by_accept=True)
    Accept: text/html, */*;q=0.8     -> Wanted(None, html=True, as_it_is=True)

The query wins over the header (path gateway, `format`; trustless gateway, `car-version`, `car-order`,
`car-dups`). Accept is read as RFC 9110, section 12.5.1 says, with weights; types that are no response format
of a gateway, such as `image/png`, mean the content as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urlencode

from ...schemas.errors import BadRequest, BusError

__all__ = ["Wanted", "Format", "CarWanted", "DagScope", "EntityBytes", "NotAcceptable", "read_wanted"]

MAX_ACCEPT_CHARS = 4096


class Format(StrEnum):
    """The response formats that have to be asked for, by their names in `?format=`."""

    RAW = "raw"
    CAR = "car"
    TAR = "tar"
    DAG_JSON = "dag-json"
    DAG_CBOR = "dag-cbor"
    JSON = "json"
    CBOR = "cbor"
    IPNS_RECORD = "ipns-record"

    @property
    def media_type(self) -> str:
        """The media type without parameters; see `Wanted.content_type` for the header."""
        return _MEDIA_TYPES[self]

    @property
    def is_verifiable(self) -> bool:
        """Whether a client can check such an answer by itself: what a trustless gateway serves."""
        return self in _TRUSTLESS


class DagScope(StrEnum):
    """How much of the DAG at the end of the path a CAR holds."""

    BLOCK = "block"
    ENTITY = "entity"
    ALL = "all"


class NotAcceptable(BusError):
    """The content is not to be had in the format asked for; `hint` says what to ask for instead."""

    code, kind = 406, "not_acceptable"

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(f"{problem}; {hint}" if hint else problem, field="Accept", hint=hint)


@dataclass(frozen=True)
class EntityBytes:
    """The bytes `first` to `last`, both included; negative offsets count from the end, None is the end."""

    first: int
    last: int | None = None

    def __str__(self) -> str:
        return f"{self.first}:{'*' if self.last is None else self.last}"

    def within(self, size_bytes: int) -> tuple[int, int]:
        """Their offset and length in an entity of `size_bytes`; the length is 0 if none lie in it."""
        first = self.first if self.first >= 0 else max(0, size_bytes + self.first)
        last = size_bytes - 1 if self.last is None else self.last
        last = min(last if last >= 0 else size_bytes + last, size_bytes - 1)
        return (first, last - first + 1) if first <= last else (min(first, size_bytes), 0)


@dataclass(frozen=True)
class CarWanted:
    """The parameters of a CAR: its version is 1 and its order is depth first, both always said."""

    dups: bool = False
    scope: DagScope = DagScope.ALL
    entity_bytes: EntityBytes | None = None


@dataclass(frozen=True)
class Wanted:
    """What a request wants.

    `format` is None for the content as it is, `html` says that the client shows pages, `by_accept` that the
    format came from the header alone, `as_it_is` that the content as it is would do where the format cannot
    be had. `location` holds the query fields that name this very answer, for Content-Location.
    """

    format: Format | None = None
    car: CarWanted = field(default_factory=CarWanted)
    html: bool = False
    by_accept: bool = False
    as_it_is: bool = False
    location: tuple[tuple[str, str], ...] = ()

    @property
    def content_type(self) -> str | None:
        """The Content-Type of the format, with all its parameters; None where the content decides."""
        if self.format is None:
            return None
        if self.format is Format.CAR:
            return f"{self.format.media_type}; version=1; order=dfs; dups={'y' if self.car.dups else 'n'}"
        return self.format.media_type

    def content_location(self, path: str) -> str | None:
        """The URL of this very answer, if the request's own does not name it; `path` is not yet quoted."""
        return f"{quote(path)}?{urlencode(self.location)}" if self.location else None


def read_wanted(query: Mapping[str, str], accept: str = "", *, deserialized: bool = True) -> Wanted:
    """What a request's query fields and Accept header ask for; `accept` is empty where there was none.

    Without `deserialized`, a strict trustless gateway, only verifiable formats are served. Raises BadRequest
    for a format, scope or CAR parameter that no gateway knows, or none at all where one is needed;
    NotAcceptable where what is accepted is not served here.
    """
    offers = _offers(accept)
    name = query.get("format", "")
    wanted = _by_query(name, query, offers) if name else _by_accept(query, offers)
    if not deserialized:
        _check_trustless(wanted)
    return wanted


def _by_query(name: str, query: Mapping[str, str], offers: list[Offer]) -> Wanted:
    if name not in _FORMAT_NAMES:
        raise BadRequest("format", f"not one of {', '.join(Format)}")
    wanted = Format(name)
    named = [offer for offer in offers if offer.format is not None]
    same = next((offer for offer in named if offer.format is wanted), None)
    params = {} if same is None else same.params
    car = _car(query, params) if wanted is Format.CAR else CarWanted()
    elsewhere = (named and same is None) or (wanted is Format.CAR and _adds(query, params))
    return Wanted(wanted, car, location=_location(wanted, query, params) if elsewhere else ())


def _by_accept(query: Mapping[str, str], offers: list[Offer]) -> Wanted:
    """The most welcome offer that can be met; of equally welcome ones the first, wildcards last."""
    html = any(offer.media_type == "text/html" for offer in offers)
    as_it_is = any(offer.is_plain for offer in offers)
    refusal: BusError | None = None
    for offer in sorted(offers, key=lambda offer: (-offer.weight, offer.is_wild)):
        if offer.format is None:
            if offer.is_plain:
                return Wanted(html=html)
            refusal = refusal or NotAcceptable(f"{offer.media_type} is not served", _SERVED)
            continue
        try:
            car = _car(query, offer.params) if offer.format is Format.CAR else CarWanted()
        except BadRequest as error:
            refusal = refusal or error
            continue
        location = _location(offer.format, query, offer.params)
        return Wanted(offer.format, car, html=html, by_accept=True, as_it_is=as_it_is, location=location)
    if refusal is not None:
        raise refusal
    return Wanted()


def _check_trustless(wanted: Wanted) -> None:
    if wanted.format is None:
        raise BadRequest(
            "Accept", f"this gateway serves verifiable formats only, so one has to be named: {_VERIFIABLE}"
        )
    if not wanted.format.is_verifiable:
        raise NotAcceptable(f"{wanted.format.media_type} is not verifiable", f"served here: {_VERIFIABLE}")


def _car(query: Mapping[str, str], params: Mapping[str, str]) -> CarWanted:
    """A CAR's parameters; raises BadRequest naming the query field, also where Accept said it."""
    said = {name: query.get(f"car-{name}") or params.get(name, "") for name in _CAR_PARAMS}
    for name, value in said.items():
        if value not in _CAR_PARAMS[name]:
            served = " or ".join(filter(None, _CAR_PARAMS[name]))
            raise BadRequest(f"car-{name}", f"unsupported {name} {value[:50]!r}, only {served}")
    scope = query.get("dag-scope", DagScope.ALL)
    if scope not in _SCOPES:
        raise BadRequest("dag-scope", f"not one of {', '.join(DagScope)}")
    dups = said["dups"] == "y"
    if "entity-bytes" in query:
        return CarWanted(dups, DagScope.ENTITY, _entity_bytes(query["entity-bytes"]))
    return CarWanted(dups, DagScope(scope))


def _entity_bytes(text: str) -> EntityBytes:
    found = _ENTITY_BYTES.fullmatch(text)
    if found is None:
        raise BadRequest("entity-bytes", "not of the form <from>:<to>, where <to> may be *")
    first, last = int(found[1]), None if found[2] == "*" else int(found[2])
    if last is not None and (first < 0) == (last < 0) and last < first:
        raise BadRequest("entity-bytes", f"the last byte {last} is before the first {first}")
    return EntityBytes(first, last)


def _adds(query: Mapping[str, str], params: Mapping[str, str]) -> bool:
    """Whether Accept says a CAR parameter that the query does not say, or says otherwise."""
    return any(name in params and query.get(f"car-{name}") != params[name] for name in _CAR_PARAMS)


def _location(
    wanted: Format, query: Mapping[str, str], params: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """The query with the format in it and, for a CAR, what Accept said of it."""
    said = {"format": str(wanted)}
    if wanted is Format.CAR:
        said |= {f"car-{name}": params[name] for name in _CAR_PARAMS if params.get(name)}
    kept = tuple((name, value) for name, value in query.items() if name != "format")
    return (*kept, *((name, value) for name, value in said.items() if name not in query or name == "format"))


@dataclass(frozen=True)
class Offer:
    """One media range of an Accept header that is welcome at all."""

    media_type: str
    params: dict[str, str]
    weight: float

    @property
    def format(self) -> Format | None:
        return _BY_MEDIA_TYPE.get(self.media_type)

    @property
    def is_wild(self) -> bool:
        return self.media_type.endswith("*")

    @property
    def is_plain(self) -> bool:
        """Whether the content as it is would do: all but IPLD's and IPFS's own types, known or not."""
        return self.format is None and not self.media_type.startswith(
            ("application/vnd.ipld.", "application/vnd.ipfs.")
        )


def _offers(accept: str) -> list[Offer]:
    if len(accept) > MAX_ACCEPT_CHARS:
        raise BadRequest("Accept", f"longer than {MAX_ACCEPT_CHARS} characters", limit=MAX_ACCEPT_CHARS)
    found = (_offer(part) for part in _split(accept, ","))
    return [offer for offer in found if offer is not None and offer.weight > 0]


def _offer(part: str) -> Offer | None:
    """One media range; None for what is none, which some clients send among others."""
    media_type, *rest = (piece.strip() for piece in _split(part, ";"))
    if not media_type:
        return None
    pairs = (piece.partition("=") for piece in rest)
    params = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
    weight = params.pop("q", "1")
    if not _WEIGHT.fullmatch(weight):
        return None
    return Offer(media_type.lower(), params, min(1.0, float(weight)))


def _split(text: str, mark: str) -> Iterator[str]:
    """The pieces between the marks that stand outside of quotes."""
    start, quoted = 0, False
    for at, char in enumerate(text):
        if char == '"':
            quoted = not quoted
        elif char == mark and not quoted:
            yield text[start:at]
            start = at + 1
    yield text[start:]


_MEDIA_TYPES = {
    Format.RAW: "application/vnd.ipld.raw",
    Format.CAR: "application/vnd.ipld.car",
    Format.TAR: "application/x-tar",
    Format.DAG_JSON: "application/vnd.ipld.dag-json",
    Format.DAG_CBOR: "application/vnd.ipld.dag-cbor",
    Format.JSON: "application/json",
    Format.CBOR: "application/cbor",
    Format.IPNS_RECORD: "application/vnd.ipfs.ipns-record",
}
_BY_MEDIA_TYPE = {media_type: name for name, media_type in _MEDIA_TYPES.items()}
_TRUSTLESS = frozenset({Format.RAW, Format.CAR, Format.IPNS_RECORD})
_FORMAT_NAMES = frozenset(str(name) for name in Format)
_SCOPES = frozenset(str(scope) for scope in DagScope)
# What is served of each CAR parameter. Empty leaves it to the gateway; depth first will do for any order.
_CAR_PARAMS = {"version": ("", "1"), "order": ("", "dfs", "unk"), "dups": ("", "y", "n")}
_SERVED = f"served are {', '.join(_BY_MEDIA_TYPE)}"
_VERIFIABLE = ", ".join(name.media_type for name in Format if name in _TRUSTLESS)
_WEIGHT = re.compile(r"[01](?:\.[0-9]{0,3})?|\.[0-9]{1,3}", re.ASCII)
_ENTITY_BYTES = re.compile(r"(-?[0-9]{1,18}):(-?[0-9]{1,18}|\*)", re.ASCII)
