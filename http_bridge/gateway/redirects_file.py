"""The `_redirects` file of a site: parsed strictly, matched in time linear in the path
(https://specs.ipfs.tech/http-gateways/web-redirects-file/).

    /posts/:year/:slug  /articles/:slug?y=:year  302
    /old/*              https://example.net/:splat
    /*                  /404.html                404

Whoever serves a site asks for a rule only where its own files have nothing, and only under an origin of its
own: a subdomain or a DNSLink host.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from ...schemas.errors import BusError
from .paths import quoted

__all__ = ["RedirectsFile", "Rule", "Answer", "BadRedirectsFile", "FILE_NAME", "MAX_FILE_BYTES"]

FILE_NAME = "_redirects"
MAX_FILE_BYTES = 64 * 1024
REWRITE = 200
REDIRECTS = frozenset({301, 302, 303, 307, 308})
STATUSES = REDIRECTS | {REWRITE, 404, 410, 451}
DEFAULT_STATUS = 301
SCHEMES = frozenset({"http", "https", "ipfs", "ipns"})
SPLAT = "splat"
MAX_NAME_CHARS = 64
MAX_TARGET_CHARS = 8192
_PLACEHOLDER = re.compile(r":([^/:?#&=]+)")
_URL_CHARS = "%/:?#[]@!$&'()*+,;=~"


class BadRedirectsFile(BusError):
    """A site's `_redirects` file breaks its format: `line` is where, counted from 1, if it is one line."""

    code, kind = 500, "bad_redirects_file"

    def __init__(self, problem: str, *, line: int | None = None) -> None:
        where = "" if line is None else f"line {line}: "
        super().__init__(f"could not parse {FILE_NAME}: {where}{problem}", problem=problem, line=line)


class Answer(NamedTuple):
    """What a rule makes of a request.

    For a redirect `target` is its Location; else it is the path, decoded and below the same root, of the
    file to answer with under `status`.
    """

    status: int
    target: str

    @property
    def is_redirect(self) -> bool:
        return self.status in REDIRECTS


@dataclass(frozen=True)
class Rule:
    """One line of the file.

    `segments` are those of `from`, decoded; one that begins with a colon is a placeholder. `splat` is what
    stands before the asterisk in the last segment, None where there is no asterisk. `target` is `to` in
    pieces: each a text and the placeholder behind it, if any.
    """

    segments: tuple[str, ...]
    splat: str | None
    target: tuple[tuple[str, str | None], ...]
    status: int

    def match(self, path: list[str]) -> dict[str, str] | None:
        """The values of the placeholders if the path's segments fit this rule."""
        fixed = len(self.segments)
        if len(path) < fixed or (len(path) > fixed and self.splat is None):
            return None
        values: dict[str, str] = {}
        for wanted, given in zip(self.segments, path, strict=False):
            if wanted.startswith(":"):
                values[wanted[1:]] = given
            elif wanted != given:
                return None
        if self.splat is not None:
            rest = "/".join(path[fixed:])
            if not rest.startswith(self.splat):
                return None
            values[SPLAT] = rest[len(self.splat) :]
        return values

    def answer(self, values: dict[str, str], query: str) -> Answer:
        """What to do, with the placeholders filled in and, for a redirect, the request's raw query kept.

        Raises BadRedirectsFile if the target grows past `MAX_TARGET_CHARS`.
        """
        is_redirect = self.status in REDIRECTS
        pieces: list[str] = []
        length, in_query = 0, False
        for text, name in self.target:
            in_query = in_query or "?" in text
            value = values[name] if name is not None else ""
            if is_redirect:
                value = quote(value, safe="") if in_query else quoted(value)
            pieces += (text, value)
            length += len(text) + len(value)
            if length > MAX_TARGET_CHARS:
                raise BadRedirectsFile(f"a target is longer than {MAX_TARGET_CHARS} characters")
        target = "".join(pieces)
        if is_redirect:
            return Answer(self.status, _with_query(target, query))
        return Answer(self.status, target)


@dataclass(frozen=True)
class RedirectsFile:
    """The rules of a site, in their order."""

    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, raw: bytes) -> RedirectsFile:
        """The rules of a file; raises BadRedirectsFile naming the line.

        `raw` need be no longer than `MAX_FILE_BYTES + 1` bytes, of which the last shows that it is too large.
        """
        if len(raw) > MAX_FILE_BYTES:
            raise BadRedirectsFile(f"redirects file size cannot exceed {MAX_FILE_BYTES} bytes")
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise BadRedirectsFile("not UTF-8", line=raw.count(b"\n", 0, error.start) + 1) from None
        return cls(tuple(_rules(text)))

    def answer(self, path: str, query: str = "") -> Answer | None:
        """What the first rule that fits makes of a decoded path and a raw query; None if none fits."""
        # Without empty segments no splat can make a target begin with two slashes, which would be a host.
        segments = [segment for segment in path.split("/") if segment]
        for rule in self.rules:
            if (values := rule.match(segments)) is not None:
                return rule.answer(values, query)
        return None


def _rules(text: str) -> Iterator[Rule]:
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            try:
                yield _rule(fields)
            except ValueError as problem:
                raise BadRedirectsFile(str(problem), line=number) from None


def _rule(fields: list[str]) -> Rule:
    """One rule of its fields; raises ValueError saying what is wrong."""
    if len(fields) == 1:
        raise ValueError("missing 'to' path")
    if len(fields) > 3:
        raise ValueError("must match format 'from to [status]'")
    segments, splat = _from(fields[0])
    status = _status(fields[2]) if len(fields) == 3 else DEFAULT_STATUS
    to = _to(fields[1], status)
    names = {segment[1:] for segment in segments if segment.startswith(":")}
    if splat is not None:
        names.add(SPLAT)
    return Rule(segments, splat, tuple(_pieces(to, names)), status)


def _from(text: str) -> tuple[tuple[str, ...], str | None]:
    if not text.startswith("/"):
        raise ValueError("'from' must begin with '/'")
    if "*" in text[:-1]:
        raise ValueError("an asterisk may stand only once and at the end of 'from'")
    *segments, last = text.lstrip("/").removesuffix("*").split("/")
    if not text.endswith("*"):
        segments, splat = ([*segments, last] if last else segments), None
    else:
        splat = unquote(last)
    names = [segment[1:] for segment in segments if segment.startswith(":")]
    if len(set(names)) < len(names):
        raise ValueError("a placeholder is named twice in 'from'")
    if any(not 0 < len(name) <= MAX_NAME_CHARS for name in names):
        raise ValueError(f"a placeholder's name has 1 to {MAX_NAME_CHARS} characters")
    return tuple(unquote(segment) for segment in segments), splat


def _pieces(to: str, names: set[str]) -> Iterator[tuple[str, str | None]]:
    """`to` cut behind each placeholder that `from` has; any other colon stands for itself."""
    start = 0
    for found in _PLACEHOLDER.finditer(to):
        if (name := _longest(found[1], names)) is not None:
            yield to[start : found.start()], name
            start = found.start(1) + len(name)
    yield to[start:], None


def _longest(text: str, names: set[str]) -> str | None:
    """The longest of the names with which a text begins."""
    return next(
        (text[:end] for end in range(min(len(text), MAX_NAME_CHARS), 0, -1) if text[:end] in names), None
    )


def _with_query(target: str, query: str) -> str:
    """The target with the request's query: where both say a field, the request's value holds."""
    if not query:
        return target
    parts = urlsplit(target)
    given = parse_qsl(query, keep_blank_values=True)
    said = {name for name, _ in given}
    kept = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in said]
    return urlunsplit(parts._replace(query=urlencode(kept + given)))


def _to(text: str, status: int) -> str:
    """`to` as it is filled in: percent-encoded for a redirect, decoded and without its query for a file."""
    if text.startswith("/") and not text.startswith("//"):
        if status in REDIRECTS:
            return quote(text, safe=_URL_CHARS)
        return unquote(text.partition("?")[0].partition("#")[0])
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        raise ValueError("'to' is not a URL") from None
    if scheme not in SCHEMES:
        raise ValueError(f"'to' must begin with '/' or be a URL of {', '.join(sorted(SCHEMES))}")
    if status not in REDIRECTS:
        raise ValueError(f"status {status} needs a path, not a URL")
    return quote(text, safe=_URL_CHARS)


def _status(text: str) -> int:
    if text.endswith("!"):
        raise ValueError('forced redirects (or "shadowing") are not supported')
    if not (text.isascii() and text.isdecimal() and len(text) == 3 and int(text) in STATUSES):
        raise ValueError(f"status code {text[:20]} is not supported")
    return int(text)
