"""The page that lists a directory: streamed, so that 100,000 entries cost no more memory than a hundred.

It needs nothing from anywhere else, runs no scripts and says so in its policy; its looks are in
`page_style.py`. Everything that comes out of a directory is escaped.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from dataclasses import dataclass
from html import escape
from typing import NamedTuple, Protocol
from urllib.parse import quote

from .. import media
from .page_style import CONTENT_POLICY, FAVICON, STYLE
from .paths import ContentPath, content_path, quoted

__all__ = ["Listing", "Entry", "page", "CONTENT_POLICY", "VERSION"]

CHUNK_CHARS = 32 * 1024
MAX_CID_CHARS, CID_START_CHARS, CID_END_CHARS = 12, 4, 6


class Entry(Protocol):
    """One entry: `type` is file, directory, symlink or anything else; a directory's size is its DAG's."""

    @property
    def name(self) -> str: ...
    @property
    def cid(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True)
class Listing:
    """The directory that is shown.

    `path` is its content path, `cid` its CID, `size_bytes` the size of its DAG if that is known. If it is
    `isolated`, its root has this origin to itself, and links to entries begin at `/`; `gateway` then is the
    URL of the gateway above, as `//example.net`, or empty where there is none and other content has no URL.
    At most `limit` entries are listed, and the page says if there are more.
    """

    path: ContentPath
    cid: str
    size_bytes: int | None = None
    gateway: str = ""
    isolated: bool = False
    limit: int | None = None

    @property
    def base(self) -> str:
        """Where the links to entries begin: this directory's own URL path, with its slash."""
        if self.isolated:
            return quoted(f"/{self.path.path}/") if self.path.path else "/"
        return quoted(str(self.path).rstrip("/") + "/")

    @property
    def above(self) -> str | None:
        """Where the paths of other content begin; None where they have no URL."""
        return None if self.isolated and not self.gateway else self.gateway


async def page(listing: Listing, entries: AsyncIterable[Entry]) -> AsyncIterator[bytes]:
    """The page's bytes in chunks of about 32 KiB, as the entries come."""
    base, above = listing.base, listing.above
    held, length, count = [_head(listing)], 0, 0
    cut = False
    async for entry in entries:
        if cut := count == listing.limit:
            break
        row = _row(entry, base, above)
        held.append(row)
        length += len(row)
        count += 1
        if length >= CHUNK_CHARS:
            yield "".join(held).encode(errors="replace")
            held, length = [], 0
    yield ("".join(held) + _foot(count, cut)).encode(errors="replace")


def _head(listing: Listing) -> str:
    title = _shown(str(listing.path).rstrip("/"))
    size = "" if listing.size_bytes is None else f"<span>{_size(listing.size_bytes)} in all</span>"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="A directory of content-addressed files">
<title>Index of {title}</title>
<link rel="icon" href="{FAVICON}">
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Index of <span class="path">{_crumbs(listing)}</span></h1>
<p><code translate="no">{escape(listing.cid)}</code>{size}</p>
<nav aria-label="Download this directory"><a href="?format=tar">TAR</a> <a href="?format=car">CAR</a> \
<a href="?format=raw">Raw block</a></nav>
</header>
<main>
<table>
<thead><tr><th scope="col">Name</th><th scope="col" class="c">CID</th>\
<th scope="col" class="s">Size</th></tr></thead>
<tbody>
{_parent(listing)}"""


def _crumbs(listing: Listing) -> str:
    """The path with a link at each of its segments."""
    root = quoted(f"/{listing.path.namespace}/{listing.path.root}")
    url = "" if listing.above is None else listing.above + root
    links = [f'<a href="{escape(url or "/")}">{_shown(listing.path.root)}</a>']
    for segment in listing.path.segments:
        url += "/" + quoted(segment)
        links.append(f'<a href="{escape(url)}">{_shown(segment)}</a>')
    return f"/{listing.path.namespace}/" + "/".join(links)


def _parent(listing: Listing) -> str:
    if not listing.path.path:
        return ""
    return (
        f'<tr><td class="u"><a href="{escape(listing.base)}..">..</a></td>'
        '<td class="c"></td><td class="s"></td></tr>\n'
    )


def _row(entry: Entry, base: str, above: str | None) -> str:
    is_directory = entry.type == "directory"
    href = escape(base + quoted(entry.name)) + ("/" if is_directory else "")
    return (
        f'<tr><td class="{_kind(entry)}"><a href="{href}">{_shown(entry.name)}</a></td>'
        f'<td class="c">{_cid(entry, above)}</td>'
        f'<td class="s">{_size(entry.size_bytes)}</td></tr>\n'
    )


def _cid(entry: Entry, above: str | None) -> str:
    cid = escape(entry.cid)
    short = f"{cid[:CID_START_CHARS]}…{cid[-CID_END_CHARS:]}" if len(cid) > MAX_CID_CHARS else cid
    if above is None:
        return f'<span class="ipfs-hash" translate="no" title="{cid}">{short}</span>'
    named = "" if entry.type == "directory" else f"?filename={quote(entry.name, safe='')}"
    return f'<a class="ipfs-hash" translate="no" href="{above}/ipfs/{cid}{named}">{short}</a>'


def _foot(count: int, cut: bool = False) -> str:
    items = "1 item" if count == 1 else f"{count:,} items"
    if cut:
        items = f"The first {items}; there are more"
    elif not count:
        items = "This directory is empty"
    return f"</tbody>\n</table>\n</main>\n<footer>{items}</footer>\n</body>\n</html>\n"


def _kind(entry: Entry) -> str:
    """The class of an entry's icon."""
    if entry.type != "file":
        return {"directory": "d", "symlink": "l"}.get(entry.type, "f")
    ending = entry.name[entry.name.rfind(".") :].lower()
    if ending in _ARCHIVES:
        return "z"
    media_type = (media.by_name(entry.name) or "").partition(";")[0]
    if media_type in _CODE:
        return "x"
    if media_type in _DOCUMENTS:
        return "t"
    return _KINDS.get(media_type.partition("/")[0], "f")


def _size(size_bytes: int) -> str:
    if size_bytes < 1024:
        return f"{size_bytes} B"
    power = min((size_bytes.bit_length() - 1) // 10, len(_UNITS))
    size, unit = size_bytes / 1024**power, _UNITS[power - 1]
    return f"{size:.1f} {unit}" if size < 100 else f"{size:.0f} {unit}"


def _shown(name: str) -> str:
    """A name as text: escaped, and without control characters and those that turn the reading direction."""
    return escape(name.translate(_VISIBLE), quote=False)


# Those that turn the direction could fake another ending.
_HIDDEN = (*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_VISIBLE = dict.fromkeys(_HIDDEN, 0xFFFD)
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KINDS = {"image": "i", "video": "v", "audio": "a", "text": "t"}
_ARCHIVES = frozenset({".7z", ".bz2", ".car", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"})
_DOCUMENTS = frozenset({"application/pdf", "application/msword", "application/rtf", "application/epub+zip"})
_CODE = frozenset({
    "application/javascript", "application/json", "application/toml", "application/wasm", "application/x-sh",
    "application/xml", "application/yaml", "text/css", "text/html", "text/javascript", "text/x-c",
    "text/x-python", "text/xml",
})  # fmt: skip


class _Sample(NamedTuple):
    name: str = "a"
    cid: str = "bafkqaaa"
    type: str = "file"
    size_bytes: int = 0


def _sample() -> Iterator[str]:
    listing = Listing(content_path("ipfs", "bafkqaaa", "/a/"), "bafkqaaa", 0)
    yield _head(listing)
    yield _row(_Sample(), listing.base, "")
    yield _foot(1)


# Part of the page's entity tag: it changes whenever the page would.
VERSION = hashlib.blake2b("".join(_sample()).encode(), digest_size=4).hexdigest()
