"""Multibase: bytes as text that says which base it is in (https://github.com/multiformats/multibase)."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass

from ...schemas.cid import base36_encode, base58_decode, base58_encode
from ...schemas.errors import BadRequest

__all__ = ["BASES", "Base", "base_named", "base_of", "decode"]

_HEX_DIGITS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")
_FROM_HEX_DIGITS = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BTC = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_FLICKR = "123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Base:
    """One base. `encode` gives text without the prefix; `decode` takes such text and raises ValueError."""

    name: str
    prefix: str
    encode: Callable[[bytes], str]
    decode: Callable[[str], bytes]

    def text(self, raw: bytes) -> str:
        return self.prefix + self.encode(raw)


def base_named(name: str) -> Base:
    """Raises KeyError if there is no such base."""
    return _BY_NAME[name]


def base_of(text: str) -> Base:
    """The base that a text says it is in; raises ValueError."""
    try:
        return _BY_PREFIX[text[:1]]
    except KeyError:
        raise ValueError("no multibase begins like that") from None


def decode(text: str) -> bytes:
    """The bytes of a text in any of the bases; raises ValueError."""
    try:
        return base_of(text).decode(text[1:])
    except BadRequest as error:
        raise ValueError(error.message) from None


def _rfc4648(
    encode: Callable[[bytes], bytes], decode: Callable[[bytes], bytes], group: int, *, lower: bool, pad: bool
) -> tuple[Callable[[bytes], str], Callable[[str], bytes]]:
    def to_text(raw: bytes) -> str:
        text = encode(raw).decode()
        text = text.lower() if lower else text
        return text if pad else text.rstrip("=")

    def to_bytes(text: str) -> bytes:
        padded = text if pad else text + "=" * (-len(text) % group)
        raw = decode((padded.upper() if lower else padded).encode("ascii"))
        if to_text(raw) != text:
            raise ValueError("not canonical in its base")
        return raw

    return to_text, to_bytes


def _base32_pair(*, lower: bool, pad: bool) -> tuple[Callable[[bytes], str], Callable[[str], bytes]]:
    return _rfc4648(base64.b32encode, base64.b32decode, 8, lower=lower, pad=pad)


def _base32hex_pair(*, lower: bool, pad: bool) -> tuple[Callable[[bytes], str], Callable[[str], bytes]]:
    def decode_hex(text: bytes) -> bytes:
        return base64.b32decode(text.translate(_FROM_HEX_DIGITS))

    return _rfc4648(
        lambda raw: base64.b32encode(raw).translate(_HEX_DIGITS), decode_hex, 8, lower=lower, pad=pad
    )


def _base64_pair(*, url: bool, pad: bool) -> tuple[Callable[[bytes], str], Callable[[str], bytes]]:
    encode, decode = (
        (base64.urlsafe_b64encode, base64.urlsafe_b64decode) if url else (base64.b64encode, base64.b64decode)
    )
    return _rfc4648(encode, decode, 4, lower=False, pad=pad)


def _base36_decode(text: str) -> bytes:
    number = 0
    for digit in text:
        number = number * 36 + _BASE36.index(digit)
    zeros = len(text) - len(text.lstrip("0"))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def _base2_decode(text: str) -> bytes:
    if len(text) % 8 or set(text) - {"0", "1"}:
        raise ValueError("not whole bytes of binary digits")
    return int(text or "0", 2).to_bytes(len(text) // 8, "big")


BASES = (
    Base("identity", "\0", lambda raw: raw.decode("latin-1"), lambda text: text.encode("latin-1")),
    Base("base2", "0", lambda raw: "".join(f"{byte:08b}" for byte in raw), _base2_decode),
    Base("base16", "f", bytes.hex, lambda text: _hex(text, lower=True)),
    Base("base16upper", "F", lambda raw: raw.hex().upper(), lambda text: _hex(text, lower=False)),
    Base("base32", "b", *_base32_pair(lower=True, pad=False)),
    Base("base32upper", "B", *_base32_pair(lower=False, pad=False)),
    Base("base32pad", "c", *_base32_pair(lower=True, pad=True)),
    Base("base32padupper", "C", *_base32_pair(lower=False, pad=True)),
    Base("base32hex", "v", *_base32hex_pair(lower=True, pad=False)),
    Base("base32hexupper", "V", *_base32hex_pair(lower=False, pad=False)),
    Base("base32hexpad", "t", *_base32hex_pair(lower=True, pad=True)),
    Base("base32hexpadupper", "T", *_base32hex_pair(lower=False, pad=True)),
    Base("base36", "k", base36_encode, _base36_decode),
    Base("base36upper", "K", lambda raw: base36_encode(raw).upper(), lambda t: _base36_decode(t.lower())),
    Base("base58btc", "z", base58_encode, base58_decode),
    Base(
        "base58flickr",
        "Z",
        lambda raw: base58_encode(raw).translate(str.maketrans(_BTC, _FLICKR)),
        lambda text: base58_decode(text.translate(str.maketrans(_FLICKR, _BTC))),
    ),
    Base("base64", "m", *_base64_pair(url=False, pad=False)),
    Base("base64pad", "M", *_base64_pair(url=False, pad=True)),
    Base("base64url", "u", *_base64_pair(url=True, pad=False)),
    Base("base64urlpad", "U", *_base64_pair(url=True, pad=True)),
)


def _hex(text: str, *, lower: bool) -> bytes:
    if text != (text.lower() if lower else text.upper()) or (text and not text.isalnum()):
        raise ValueError("not hexadecimal in one case")
    return bytes.fromhex(text)


_BY_NAME = {base.name: base for base in BASES}
_BY_PREFIX = {base.prefix: base for base in BASES}
