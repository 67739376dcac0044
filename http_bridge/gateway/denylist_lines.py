"""The lines of a `.deny` file: its header, a little YAML, and its rules."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote

from ...schemas.cid import CID, HASHES, base58_decode
from ...schemas.errors import BadRequest, InvalidContent
from ...schemas.varint import VarintError, read_varint

__all__ = ["Header", "Rule", "read_header", "read_rules", "MAX_HEADER_BYTES", "MAX_LINE_BYTES"]

log = logging.getLogger(__name__)

MAX_HEADER_BYTES = 1 << 20
MAX_LINE_BYTES = 2 << 20
MAX_LOGGED_LINES = 20
MAX_REASON_CHARS = 200
MAX_HASH_CHARS = 200
MIN_HASH_BYTES = 16
VERSION = "1"
ALLOW_MARKS = "!+-"
SHA2_256 = 0x12
STATUS, REASON = "gateway_status", "reason"

# Blocks without content, which all software needs: a rule against one of them is a mistake.
HARMLESS = frozenset(
    CID.parse(text).multihash
    for text in (
        "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn",  # the empty directory
        "bafyaabakaieac",  # the same, inside its CID
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",  # the empty block
        "bafkqaaa",  # the same, inside its CID
        "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",  # the empty file
        "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua",  # the empty map in DAG-CBOR
        "baguqeeraiqjw7i2vwntyuekgvulpp2det2kpwt6cd7tx5ayqybqpmhfk76fa",  # the empty map in DAG-JSON
    )
)


class Header(NamedTuple):
    """What a list says of itself: its name, hints for all its rules, and how many lines the header has."""

    name: str
    hints: dict[str, str]
    lines: int


class Rule(NamedTuple):
    """One rule: about a block, a name's key, a domain, or the hash of any of these."""

    allows: bool
    cid: CID | None = None
    domain: str = ""
    is_name: bool = False
    path: str = ""
    is_prefix: bool = False
    hashed: tuple[int, bytes] | None = None
    status: int = 410
    reason: str = ""


def read_header(file: BinaryIO, file_name: str) -> Header:
    """The header of an open file, which is then left behind it; a file may have none.

    Raises InvalidContent if it cannot be read or is of an unknown version.
    """
    lines = file.read(MAX_HEADER_BYTES).splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if line.rstrip() == b"---"), None)
    name = file_name.rpartition(".")[0] or file_name
    if end is None:
        file.seek(0)
        return Header(name, {}, 0)
    file.seek(sum(map(len, lines[: end + 1])))
    try:
        said, hints = _yaml(b"".join(lines[:end]).decode())
    except ValueError as error:
        raise InvalidContent(file_name, f"header: {error}") from None
    version = said.get("version", VERSION)
    if version != VERSION:
        raise InvalidContent(file_name, f"version {version[:20]}, only {VERSION} is known")
    return Header(said.get("name", name)[:MAX_REASON_CHARS], hints, end + 1)


def read_rules(file: BinaryIO, file_name: str, header: Header) -> Iterator[tuple[int, Rule]]:
    """The rules of a file that has been read up to the end of its header, with the numbers of their lines.

    A line that is no rule is logged and left out. Raises InvalidContent for a line of more than 2 MiB.
    """
    wrong, number = 0, header.lines
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise InvalidContent(file_name, f"line {number} is too long", limit=MAX_LINE_BYTES)
        try:
            text = line.decode().strip()
            if text and not text.startswith("#"):
                for rule in _rules(text, header.hints):
                    yield number, rule
        except (BadRequest, ValueError) as error:
            wrong += 1
            if wrong <= MAX_LOGGED_LINES:
                log.warning("%s, line %d, is no rule and was left out: %s", file_name, number, error)
    if wrong > MAX_LOGGED_LINES:
        log.warning("%s: %d lines in all were left out", file_name, wrong)


def _yaml(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The fields of the header and of its map `hints`; raises ValueError for what is no map of these.

    Lists, nested maps and texts of several lines are skipped in fields that are not ours.
    """
    fields: dict[str, str] = {}
    hints: dict[str, str] = {}
    last = ""
    for number, line in enumerate(text.splitlines(), start=1):
        bare = line.split(" #")[0].rstrip()
        if not bare or bare.lstrip().startswith("#"):
            continue
        name, colon, value = bare.partition(":")
        if bare[0] in " \t-":
            if last == "hints" and colon:
                hints[_unquoted(name)] = _unquoted(value)
            elif not last:
                raise ValueError(f"line {number} belongs to no field")
        elif not colon or (value and value[0] not in " \t"):
            raise ValueError(f"line {number} is not of the form name: value")
        else:
            last = _unquoted(name)
            fields[last] = _unquoted(value)
    return fields, hints


def _unquoted(text: str) -> str:
    bare = text.strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'" else bare


def _rules(text: str, list_hints: dict[str, str]) -> Iterator[Rule]:
    """The rules of one line, two where a hash may be read in two ways; raises ValueError or BadRequest."""
    item, *words = text.split()
    hints = list_hints | dict(_hint(word) for word in words)
    allows = item[0] in ALLOW_MARKS
    status = 451 if hints.get(STATUS) == "451" else 410
    base = Rule(allows, status=status, reason=hints.get(REASON, "")[:MAX_REASON_CHARS])
    item = item[1:] if allows else item
    if item.startswith("//"):
        for hashed in _hashes(item[2:]):
            yield base._replace(hashed=hashed)
        return
    if item.count("/") < 2:
        raise ValueError("neither /ipfs/… nor /ipns/… nor //…")
    _, namespace, root, *below = item.split("/", 3)
    path = unquote(below[0]) if below else ""
    base = base._replace(path=path.removesuffix("*").strip("/"), is_prefix=path.endswith("*"))
    if namespace == "ipfs":
        cid = CID.parse(root)
        if cid.multihash in HARMLESS:
            raise ValueError("it is a block without content")
        yield base._replace(cid=cid)
    elif namespace == "ipns" and root:
        yield _name_rule(base, root)
    else:
        raise ValueError("neither /ipfs/… nor /ipns/… nor //…")


def _name_rule(base: Rule, root: str) -> Rule:
    if "." in root:
        return base._replace(domain=root.lower(), is_name=True)
    key = CID.parse(root) if not root.startswith("1") else CID.from_bytes(b"\x01\x72" + base58_decode(root))
    return base._replace(cid=key, is_name=True)


def _hint(word: str) -> tuple[str, str]:
    """One hint, written `name:value`, or `name=value` as older lists have it."""
    at = min((found for found in (word.find(":"), word.find("=")) if found > 0), default=len(word))
    return word[:at], word[at + 1 :]


def _hashes(text: str) -> list[tuple[int, bytes]]:
    """The hash function and digest of a double hash: SHA2-256 in hexadecimal or a multihash in base58.

    Both where a text may be either, as the format has it; raises ValueError where it is neither.
    """
    found = [hashed for hashed in (_of_hex(text), _of_base58(text)) if hashed is not None]
    if not found:
        raise ValueError("neither SHA2-256 in hexadecimal nor a multihash of a function known here in base58")
    return found


def _of_hex(text: str) -> tuple[int, bytes] | None:
    return (SHA2_256, bytes.fromhex(text)) if _HEX.fullmatch(text) else None


def _of_base58(text: str) -> tuple[int, bytes] | None:
    if len(text) > MAX_HASH_CHARS or "0" in text:  # no digit of base58, and in nearly every hexadecimal hash
        return None
    try:
        raw = base58_decode(text)
        code, at = read_varint(raw, 0)
        size, at = read_varint(raw, at)
    except (BadRequest, VarintError):
        return None
    known = HASHES.get(code)
    if known is None or known[2] is None or size != len(raw) - at or not MIN_HASH_BYTES <= size <= known[1]:
        return None
    return code, raw[at:]


_HEX = re.compile("[0-9a-fA-F]{64}")
