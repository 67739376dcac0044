"""What Kubo says went wrong, told in our own errors: one table from its sentences to our classes.

Kubo answers `{"Message": …, "Code": …, "Type": "error"}` with status 500, and 400 for code 1 (go-ipfs-cmds,
`error.go`); within a stream it puts the message alone into the trailer `X-Stream-Error`. The message is all
there is to tell a missing block from a broken disk, so the table matches messages, first row first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

from ....schemas.errors import (
    BadRequest,
    BusError,
    Busy,
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Internal,
    InvalidContent,
    NotAFile,
    NotFound,
    NotSupported,
    StorageFull,
    TooLarge,
    Unavailable,
)

__all__ = ["KuboCode", "kubo_error", "http_error"]

MAX_MESSAGE_CHARS = 1000


class KuboCode(IntEnum):
    """The `Code` of a Kubo error (go-ipfs-cmds, ErrorType)."""

    NORMAL = 0
    CLIENT = 1
    IMPLEMENTATION = 2
    RATE_LIMITED = 3
    FORBIDDEN = 4


def kubo_error(
    command: str, message: str, code: int = KuboCode.NORMAL, *, subject: str | None = None
) -> BusError:
    """Our error for one of Kubo's; its own sentence stays in the details as `kubo`.

    `subject` is what the command was about, for sentences that do not repeat it. A sentence that is not in
    the table becomes what its code says, and Internal, with Kubo's words, if that says nothing.
    """
    message = " ".join(message.split())[:MAX_MESSAGE_CHARS]
    error = _by_message(message, subject) or _by_code(command, message, code)
    error.details |= {"kubo": message, "command": command}
    return error


def http_error(command: str, status: int, text: str, url: str) -> BusError:
    """Our error for a status without one of Kubo's errors: from its HTTP layer, or a server before it."""
    said = " ".join(text.split())[:MAX_MESSAGE_CHARS] or f"status {status}"
    match status:
        case 400:
            return BadRequest(command, said)
        case 401 | 403:
            return Forbidden(f"{url} does not let us call {command}: {said}", url=url)
        case 404 | 405 | 501:
            return NotSupported(f"{url} has no command {command}", url=url)
        case 429:
            return _busy(url, said)
        case _:
            return Unavailable(f"{url} answered {status} to {command}: {said}", url=url, connected=True)


def _by_message(message: str, subject: str | None) -> BusError | None:
    for row in _ROWS:
        found = row.pattern.search(message)
        if found is not None:
            named = found.group(1) if found.re.groups else None
            return row.error(Said(message, (named or subject or message).strip("'\"")))
    return None


def _by_code(command: str, message: str, code: int) -> BusError:
    if code == KuboCode.CLIENT:
        return BadRequest(command, message)
    if code == KuboCode.RATE_LIMITED:
        return _busy("Kubo", message)
    if code == KuboCode.FORBIDDEN:
        return Forbidden(f"Kubo refuses {command}: {message}")
    return Internal.rebuild(f"Kubo failed at {command}: {message}", {})


def _busy(who: str, said: str) -> BusError:
    return Busy.rebuild(f"{who} is busy: {said}", {"who": who, "retry_after_s": 1.0})


class Said(NamedTuple):
    """Kubo's whole sentence, and what it is about."""

    message: str
    name: str


class _Row(NamedTuple):
    pattern: re.Pattern[str]
    error: Callable[[Said], BusError]


def _row(pattern: str, error: Callable[[Said], BusError]) -> _Row:
    return _Row(re.compile(pattern, re.IGNORECASE), error)


def _missing(what: str) -> Callable[[Said], BusError]:
    return lambda said: NotFound(what, said.name)


def _bad(field: str) -> Callable[[Said], BusError]:
    return lambda said: BadRequest(field, said.message)


def _broken(field: str) -> Callable[[Said], BusError]:
    return lambda said: InvalidContent(field, said.message)


def _conflict(said: Said) -> BusError:
    return Conflict(said.message)


def _unsupported(said: Said) -> BusError:
    return NotSupported(f"Kubo: {said.message}")


def _gone(said: Said) -> BusError:
    return Unavailable(f"Kubo: {said.message}")


# Read from boxo and Kubo: `ipld.ErrNotFound`, `pinner`, `mfs`, `namesys`, `path/resolver`, `core/commands`.
_ROWS = (
    _row(r"context deadline exceeded|i/o timeout|timed out", lambda said: DeadlineExceeded("Kubo")),
    _row(r"no space left on device|disk quota exceeded", lambda said: StorageFull(f"Kubo: {said.message}")),
    _row(r"context canceled|shutting down|pinner closed|use of closed network", _gone),
    _row(r"repo lock|lock is already held|connection refused|connection reset", _gone),
    _row(r"online mode|run offline", _unsupported),
    _row(r"no connected peers|connect \S+ failure|failed to dial", _gone),
    # Pins. A block that is pinned may not be removed; these sentences also say "not", so they come first.
    _row(r"is pinned (?:recursively|indirectly)|already (?:recursively )?pinned|pinned: ", _conflict),
    _row(r"pinned indirectly under|pinned via ", _conflict),
    _row(r"(\S+) is not pinned|not pinned or pinned indirectly|not recursively pinned", _missing("pin")),
    # What is not there.
    _row(r"ipld: could not find ([^\s;\"]+)", _missing("block")),
    _row(r"block ([^\s;\"]+) not found|block(?:store|service)?: (?:block|key) not found", _missing("block")),
    _row(r"^block not found$|merkledag: not found", _missing("block")),
    _row(r"no link named \"([^\"]*)\"|no link by that name", _missing("path")),
    _row(r"file does not exist|no such file or directory", _missing("path")),
    _row(r"failed to fetch all nodes", lambda said: NotFound("block", f"below {said.name}")),
    _row(r"no key named (\S+)|no key by the given name|is not a known key|key not found", _missing("key")),
    _row(r"could not resolve name|cannot resolve: |DNSLink lookup", _missing("name")),
    _row(r"routing: not found|failed to find any peer|peer not found|no addresses", _missing("peer")),
    _row(r"conn not found", _missing("peer")),
    # What is there already, or in the way.
    _row(r"already exists|already has entry by that name|directory not empty|there is a key", _conflict),
    _row(r"use -r to remove|can't remove some files", _conflict),
    # What cannot be done there.
    _row(r"(?:while|currently) offline|not enabled|not implemented", _unsupported),
    _row(r"removed, use|operation not supported|not (?:yet )?supported|disabled in config", _unsupported),
    # What was asked wrongly.
    _row(r"block is over (\d+) ?MiB", lambda said: TooLarge("block", limit=int(said.name) << 20)),
    _row(r"chunker", _bad("chunker")),
    _row(r"sequence number must be greater|existing IPNS record has sequence", _bad("sequence")),
    _row(r"cannot (?:create|overwrite|remove|rename|import) key with name 'self'", _bad("key")),
    _row(r"invalid path|not a valid path|path does not have enough components", _bad("path")),
    _row(r"this dag node is a directory", lambda said: NotAFile(said.name, "directory")),
    _row(r"(?:is|was) (?:not )?a (?:directory|file)|isn't a (?:directory|regular file)", _bad("path")),
    _row(r"not a regular file", _bad("path")),
    _row(r"invalid cid|cid too short|multibase|not a valid cid|CID .* cannot be parsed", _bad("cid")),
    _row(r"encoding not supported|unknown multicodec|no (?:encoder|decoder) registered", _bad("codec")),
    _row(r"negative (?:offset|length|count|byte count|write offset)", _bad("range")),
    _row(r"argument \"?([^\" ]+)\"? is required|unrecognized option|unknown option", _bad("argument")),
    # What is broken itself.
    _row(r"signature verification failed|record (?:is|contains|data|public key)", _broken("record")),
    _row(
        r"incorrectly formatted|malformed|proto: |unexpected EOF|invalid (?:block|node)", _broken("content")
    ),
)
