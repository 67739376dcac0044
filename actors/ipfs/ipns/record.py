"""IPNS records: signed statements that a name points somewhere until some time.

Follows https://specs.ipfs.tech/ipns/ipns-record/. A record is a protobuf around a DAG-CBOR document, which is
what the signature (V2) covers. For readers of before 2021 the same facts may stand beside it with a signature
of their own (V1): that one is never checked, but its facts must be the same.

    create(key, b"/ipfs/bafy…", sequence=3, validity_ns=…, ttl_ns=…).raw  →  validate(raw, key.name, now_ns=…)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import cbrrr

from ....schemas.cid import CID
from ....schemas.errors import BadRequest, InvalidContent, NotSupported, TooLarge
from ....schemas.names import MAX_RECORD_BYTES
from ..paths import ContentPath, parse_path
from .keys import PrivateKey, PublicKey
from .moments import SECOND_NS, format_moment, parse_moment
from .name import IpnsName
from .protobuf import Field, fields, put_bytes, put_number

__all__ = ["Record", "create", "decode", "select", "validate"]

DEFAULT_LIFETIME_NS = 48 * 3600 * SECOND_NS  # as long as the public DHT keeps a record
DEFAULT_TTL_NS = 300 * SECOND_NS
MAX_UINT64 = (1 << 64) - 1

_V2_PREFIX = b"ipns-signature:"
# What V1 signs for the validity type: the name of the enum's value, not its number.
_V1_EOL = b"EOL"
# An empty value means this: an identity CID of no bytes.
_NOTHING = "/ipfs/bafkqaaa"

# The fields of the message that are bytes, and those that are numbers.
_VALUE, _SIGNATURE_V1, _VALIDITY, _PUBLIC_KEY, _SIGNATURE_V2, _DATA = 1, 2, 4, 7, 8, 9
_VALIDITY_TYPE, _SEQUENCE, _TTL = 3, 5, 6
_BYTES = frozenset((_VALUE, _SIGNATURE_V1, _VALIDITY, _PUBLIC_KEY, _SIGNATURE_V2, _DATA))
_NUMBERS = frozenset((_VALIDITY_TYPE, _SEQUENCE, _TTL))


class Facts(NamedTuple):
    """What a record states, in the words of its document; the V1 fields repeat it."""

    value: bytes
    validity: bytes
    validity_type: int
    sequence: int
    ttl: int


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it was read. Nothing in it may be believed before `verify`."""

    raw: bytes
    facts: Facts
    validity_ns: int
    data: bytes
    signature: bytes
    public_key: bytes | None
    v1: Facts | None

    @property
    def value(self) -> bytes:
        return self.facts.value

    @property
    def sequence(self) -> int:
        return self.facts.sequence

    @property
    def ttl_ns(self) -> int:
        return self.facts.ttl

    @property
    def validity(self) -> str:
        """The end of the record's life, as it stands there."""
        return self.facts.validity.decode("ascii")

    @property
    def has_v1(self) -> bool:
        return self.v1 is not None

    @property
    def rank(self) -> tuple[int, int, bytes]:
        """Of two valid records of a name, the one of the higher rank counts: first by sequence, then by the
        end of life, then by bytes, so that everybody picks the same."""
        return self.sequence, self.validity_ns, self.raw

    @property
    def path(self) -> ContentPath:
        """Where the name points; raises InvalidContent(field="record.value") if that is no content path."""
        try:
            if self.value and not self.value.startswith(b"/"):
                return ContentPath(CID.from_bytes(self.value))
            return parse_path(self.value.decode() or _NOTHING, "record.value")
        except (BadRequest, UnicodeDecodeError) as error:
            problem = error.details["problem"] if isinstance(error, BadRequest) else "is not UTF-8"
            raise InvalidContent("record.value", str(problem)) from None

    def has_expired(self, now_ns: int) -> bool:
        return now_ns > self.validity_ns

    def fresh_ns(self, now_ns: int) -> int:
        """For how long from now the record may be taken from a cache: its ttl, but not past its end."""
        return max(0, min(self.ttl_ns, self.validity_ns - now_ns))

    def verify(self, name: IpnsName, *, now_ns: int) -> None:
        """Raises InvalidContent naming the first rule that the record breaks, and NotSupported for the key
        types that are not read here."""
        key = self._key_of(name)
        if not key.verifies(self.signature, _V2_PREFIX + self.data):
            raise InvalidContent("record.signatureV2", "was not made by the name's key over these data")
        if self.v1 is not None:
            _check_same(self.v1, self.facts)
        if self.has_expired(now_ns):
            raise InvalidContent("record.validity", f"expired at {self.validity}")

    def _key_of(self, name: IpnsName) -> PublicKey:
        if self.public_key is not None:
            key = PublicKey.decode(self.public_key, "record.pubKey")
            if key.name != name:
                raise InvalidContent("record.pubKey", f"is the key of {key.name}, not of {name}")
            return key
        if name.inlined_key is None:
            raise InvalidContent("record.pubKey", "is missing, and the name is only a key's hash")
        return PublicKey.decode(name.inlined_key, "name")


def create(
    key: PrivateKey, value: bytes, *, sequence: int, validity_ns: int,
    ttl_ns: int = DEFAULT_TTL_NS, v1: bool = True,
) -> Record:  # fmt: skip
    """A signed record. The same arguments always give the same bytes.

    `validity_ns` is its last moment, nanoseconds since 1970; `v1` adds what old readers need. Raises
    BadRequest naming the argument that cannot be written, TooLarge if the record would be over 10 KiB.
    """
    for field, number in (("sequence", sequence), ("ttl", ttl_ns)):
        if not 0 <= number <= MAX_UINT64:
            raise BadRequest(field, f"{number} is not an unsigned number of 64 bits", limit=MAX_UINT64)
    facts = Facts(value, format_moment(validity_ns).encode(), 0, sequence, ttl_ns)
    data = _document(facts)
    signature = key.sign(_V2_PREFIX + data)
    encoded = key.public.encode()
    public_key = encoded if key.name.inlined_key is None else None
    message = b"" if not v1 else _v1_fields(facts, key)
    if public_key is not None:
        message += put_bytes(_PUBLIC_KEY, public_key)
    message += put_bytes(_SIGNATURE_V2, signature) + put_bytes(_DATA, data)
    if len(message) > MAX_RECORD_BYTES:
        raise TooLarge("record", limit=MAX_RECORD_BYTES)
    return Record(message, facts, validity_ns, data, signature, public_key, facts if v1 else None)


def decode(raw: bytes) -> Record:
    """The record in these bytes, well formed but not verified; raises TooLarge, InvalidContent naming the
    field, or NotSupported for another type of validity than an end of life."""
    if len(raw) > MAX_RECORD_BYTES:
        raise TooLarge("record", limit=MAX_RECORD_BYTES)
    given, numbers = _read(raw)
    for field_id, field in ((_SIGNATURE_V2, "signatureV2"), (_DATA, "data")):
        if not given.get(field_id):
            raise InvalidContent(
                f"record.{field}", "is missing; records with nothing but V1 are not accepted"
            )
    data = given[_DATA]
    facts = _facts(data)
    v1 = None
    if given.get(_SIGNATURE_V1) or given.get(_VALUE):
        v1 = Facts(
            given.get(_VALUE, b""), given.get(_VALIDITY, b""),
            numbers.get(_VALIDITY_TYPE, 0), numbers.get(_SEQUENCE, 0), numbers.get(_TTL, 0),
        )  # fmt: skip
    validity_ns = parse_moment(facts.validity.decode("ascii", "replace"), "record.data.Validity")
    return Record(raw, facts, validity_ns, data, given[_SIGNATURE_V2], given.get(_PUBLIC_KEY) or None, v1)


def validate(raw: bytes, name: IpnsName, *, now_ns: int) -> Record:
    """The record in these bytes, if the name's owner signed it and it has not expired; raises as `decode` and
    `Record.verify` do."""
    record = decode(raw)
    record.verify(name, now_ns=now_ns)
    return record


def select(records: Iterable[Record]) -> Record | None:
    """The one of some valid records of a name that counts, None if there are none; see `Record.rank`."""
    return max(records, key=lambda record: record.rank, default=None)


def _document(facts: Facts) -> bytes:
    # cbrrr sorts keys as DAG-CBOR wants them: by length, then by bytes.
    return cbrrr.encode_dag_cbor(
        {
            "Value": facts.value,
            "Validity": facts.validity,
            "ValidityType": facts.validity_type,
            "Sequence": facts.sequence,
            "TTL": facts.ttl,
        }
    )


def _v1_fields(facts: Facts, key: PrivateKey) -> bytes:
    return b"".join(
        (
            put_bytes(_VALUE, facts.value),
            put_bytes(_SIGNATURE_V1, key.sign(facts.value + facts.validity + _V1_EOL)),
            put_number(_VALIDITY_TYPE, facts.validity_type),
            put_bytes(_VALIDITY, facts.validity),
            put_number(_SEQUENCE, facts.sequence),
            put_number(_TTL, facts.ttl),
        )
    )


def _read(raw: bytes) -> tuple[dict[int, bytes], dict[int, int]]:
    """The known fields, each at most once; others may come with a later version and are passed over."""
    given: dict[int, bytes] = {}
    numbers: dict[int, int] = {}
    for part in fields(raw, "record"):
        if part.id in given or part.id in numbers:
            raise InvalidContent("record", f"field {part.id} stands there twice")
        if part.id in _BYTES:
            given[part.id] = _typed(part, part.data)
        elif part.id in _NUMBERS:
            numbers[part.id] = _typed(part, part.number)
    return given, numbers


def _typed(part: Field, content: Any) -> Any:
    if content is None:
        raise InvalidContent("record", f"field {part.id} has the wrong type")
    return content


def _facts(data: bytes) -> Facts:
    try:
        document = cbrrr.decode_dag_cbor(data)
    except (ValueError, RecursionError) as error:
        raise InvalidContent("record.data", f"is not DAG-CBOR: {error}") from None
    if not isinstance(document, dict):
        raise InvalidContent("record.data", "is not a map")
    validity_type = _uint64(document, "ValidityType")
    if validity_type != 0:
        raise NotSupported(f"record.data.ValidityType: only 0, an end of life, not {validity_type}")
    return Facts(
        _bytes(document, "Value"), _bytes(document, "Validity"), validity_type,
        _uint64(document, "Sequence"), _uint64(document, "TTL"),
    )  # fmt: skip


def _bytes(document: dict[str, Any], name: str) -> bytes:
    found = document.get(name)
    if not isinstance(found, bytes):
        raise InvalidContent(f"record.data.{name}", "is missing" if found is None else "is not bytes")
    return found


def _uint64(document: dict[str, Any], name: str) -> int:
    found = document.get(name)
    if isinstance(found, bool) or not isinstance(found, int):
        raise InvalidContent(f"record.data.{name}", "is missing" if found is None else "is not a number")
    if not 0 <= found <= MAX_UINT64:
        raise InvalidContent(f"record.data.{name}", f"{found} is not an unsigned number of 64 bits")
    return found


def _check_same(v1: Facts, v2: Facts) -> None:
    for name, legacy, signed in zip(Facts._fields, v1, v2, strict=True):
        if legacy != signed:
            raise InvalidContent(f"record.{name}", "differs between the V1 fields and the signed data")
