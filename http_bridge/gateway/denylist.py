"""Denylists: what this gateway does not serve, from `.deny` files in the compact denylist format
(https://specs.ipfs.tech/compact-denylist-format/).

    /ipfs/bafy…              one block, whatever its codec
    /ipfs/bafy…/photos*      what lies there and below
    /ipns/example.org        a name
    //Qm…  or  //d9d295…     the hash of any of these
    !/ipfs/bafy…/photos/ok   an exception; the last rule that matches holds

Every rule is kept as the digest of what it matches, 24 bytes in one table, so lists of millions fit and a
look-up costs a few hashes however long they are. Files are read line by line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...schemas.cid import CID, HASHES, base58_encode
from ...schemas.errors import BusError
from .denylist_lines import Rule, read_header, read_rules
from .digest_table import DIGEST_BYTES, DigestTable
from .paths import ContentPath

__all__ = ["Denylists", "Blocked", "LegallyBlocked", "SUFFIX"]

SUFFIX = ".deny"
LEGAL = 451
SHA2_256 = (0x12, 32)
MAX_VERDICTS = 1 << 16


class Blocked(BusError):
    """The content is on a denylist: `denylist` is its name, `line` where, `reason` what it says of it."""

    code, kind = 410, "blocked"

    def __init__(self, what: str, denylist: str, line: int, reason: str = "") -> None:
        why = f": {reason}" if reason else ""
        super().__init__(
            f"{what} is blocked by the denylist {denylist}, line {line}{why}",
            what=what, denylist=denylist, line=line, reason=reason,
        )  # fmt: skip


class LegallyBlocked(Blocked):
    """As `Blocked`, on a legal basis."""

    code, kind = 451, "blocked_for_legal_reasons"


class Verdict(NamedTuple):
    """What rules say, shared by all that say the same."""

    allowed: bool
    is_legal: bool
    reason: str


class Denylists:
    """All the lists of one folder; later files win over earlier ones, by name.

    Reading is done by `refresh`, which blocks: run it in a thread. Look-ups read a finished set of rules.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._rules = _Rules()

    def __len__(self) -> int:
        """The number of distinct rules."""
        return len(self._rules.table)

    def refresh(self) -> bool:
        """Reads the folder again if any file changed; whether it did. Raises InvalidContent, and keeps the
        former rules, if a list's header cannot be read or has an unknown version; OSError likewise."""
        files = sorted(self._folder.glob(f"*{SUFFIX}"))
        seen = {path.name: _stamp(path) for path in files}
        if seen == self._seen:
            return False
        rules = _Rules()
        for path in files:
            rules.add_file(path)
        self._rules, self._seen = rules, seen
        return True

    def check(self, path: ContentPath) -> None:
        """Raises Blocked or LegallyBlocked if a content path is denied as it was asked for.

        What it leads to is asked for by `check_cid` with each CID on the way.
        """
        if self:
            self._rules.check(str(path), path.path, *_subject(path))

    def check_cid(self, cid: CID) -> None:
        """Raises Blocked or LegallyBlocked if a block is denied, by whatever path it is reached."""
        if self:
            self._rules.check(str(cid), "", *_block(cid))


def _subject(path: ContentPath) -> tuple[bytes, str, str]:
    """What a path's root is called: in rules, in hashes of today and in those of old."""
    if path.domain is not None:
        return _name_key(path.domain), f"/ipns/{path.domain}", path.domain
    if path.key is not None:
        return _name_key(path.key), base58_encode(path.key.multihash), str(path.key)
    assert path.cid is not None, "a content path has a CID, a key or a domain"
    return _block(path.cid)


def _block(cid: CID) -> tuple[bytes, str, str]:
    return _block_key(cid), base58_encode(cid.multihash), str(cid.to_v1())


def _block_key(cid: CID) -> bytes:
    return b"ipfs/" + cid.multihash


def _name_key(name: CID | str) -> bytes:
    return b"ipns/" + (name.encode() if isinstance(name, str) else name.multihash)


class _Rules:
    """One reading of the folder. A rule's number is its list, its line and its verdict, in this order, so
    that of two rules the one that stands later has the greater number."""

    def __init__(self) -> None:
        self.table = DigestTable()
        self._lists: list[str] = []
        self._verdicts: list[Verdict] = []
        self._numbers: dict[Verdict, int] = {}
        self._hashes: set[tuple[int, int]] = set()

    def add_file(self, path: Path) -> None:
        with path.open("rb") as file:
            header = read_header(file, path.name)
            self._lists.append(header.name)
            for line, rule in read_rules(file, path.name, header):
                self._add(line, rule)

    def _add(self, line: int, rule: Rule) -> None:
        number = (len(self._lists) << 48) | (line << 16) | self._verdict(rule)
        if rule.hashed is not None:
            code, digest = rule.hashed
            self._hashes.add((code, len(digest)))
            self.table.put(_hashed(code, digest), number)
            return
        subject = (
            _block_key(rule.cid) if rule.cid and not rule.is_name else _name_key(rule.cid or rule.domain)
        )
        path = rule.path.encode()
        if rule.is_prefix:
            self.table.put(_digest(b"?", subject), number)
            self.table.put(_digest(b"*", subject, path), number)
        else:
            self.table.put(_digest(b"=", subject, path), number)

    def _verdict(self, rule: Rule) -> int:
        verdict = Verdict(rule.allows, rule.status == LEGAL, rule.reason)
        if verdict not in self._numbers and len(self._verdicts) >= MAX_VERDICTS - 4:
            verdict = verdict._replace(reason="")  # too many different reasons to remember
        number = self._numbers.setdefault(verdict, len(self._verdicts))
        if number == len(self._verdicts):
            self._verdicts.append(verdict)
        return number

    def check(self, what: str, path: str, subject: bytes, modern: str, legacy: str) -> None:
        number = max(map(self.table.get, self._digests(path, subject, modern, legacy)), default=0)
        if not number:
            return
        verdict = self._verdicts[number & 0xFFFF]
        if not verdict.allowed:
            error = LegallyBlocked if verdict.is_legal else Blocked
            denylist = self._lists[(number >> 48) - 1]
            raise error(what[:1000], denylist, (number >> 16) & 0xFFFF_FFFF, verdict.reason)

    def _digests(self, path: str, subject: bytes, modern: str, legacy: str) -> Iterator[bytes]:
        """The digests of all rules that could match."""
        below = path.encode()
        yield _digest(b"=", subject, below)
        if self.table.get(_digest(b"?", subject)):
            for end in range(len(below) + 1):
                yield _digest(b"*", subject, below[:end])
        for code, size in self._hashes:
            text = f"{modern}/{path}" if path else modern
            yield _hashed(code, _hash(code, text.encode())[:size])
        if SHA2_256 in self._hashes:
            yield _hashed(SHA2_256[0], _hash(SHA2_256[0], f"{legacy}/{path}".encode()))


def _digest(*parts: bytes) -> bytes:
    hasher = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        hasher.update(len(part).to_bytes(4, "big") + part)
    return hasher.digest()


def _hashed(code: int, digest: bytes) -> bytes:
    return _digest(b"/", code.to_bytes(8, "big"), digest)


def _hash(code: int, text: bytes) -> bytes:
    new = HASHES[code][2]
    assert new is not None, "rules of hashes that cannot be computed are left out"
    hasher = new()
    hasher.update(text)
    digest: bytes = hasher.digest()
    return digest


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
