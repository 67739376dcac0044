"""Request headers that WsgiDAV reads too leniently, read as their standards have them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from wsgidav.util import normalize_path

__all__ = ["hide_delimiters", "is_if_header", "show_delimiters", "single_range"]

# WsgiDAV takes a Destination apart after it has unquoted it, where these end the path or are left out. No
# name in the tree has a lone surrogate.
_HIDDEN = {ord(character): chr(0xDC00 + ord(character)) for character in "?;\t\n\r"}
_SHOWN = {ord(hidden): chr(shown) for shown, hidden in _HIDDEN.items()}

# More digits than any position has, and few enough to make a number of.
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,99})-([0-9]{0,99})[ \t]*", re.IGNORECASE)
# Behind the end of every file.
_BEHIND = 10**18

_CONDITION = r"(?:not\s*)?(?:<[^<>\s]+>|\[[^\[\]]+\])"
_LIST = rf"\(\s*(?:{_CONDITION}\s*)+\)\s*"
_IF = re.compile(rf"(?:{_LIST})+|(?:<[^<>\s]+>\s*(?:{_LIST})+)+", re.IGNORECASE)


def single_range(value: str) -> str | None:
    """A Range header in a form that WsgiDAV answers as RFC 9110 has it (section 14).

    None for one to be ignored: another unit than bytes, several ranges, or none that is valid.
    """
    found = _RANGE.fullmatch(value.strip())
    first, last = found.groups() if found else ("", "")
    if not first:
        if not last:
            return None
        return f"bytes=-{last}" if int(last) else f"bytes={_BEHIND}-"
    if last and int(last) < int(first):
        return None
    return f"bytes={first}-{last}"


def is_if_header(value: str) -> bool:
    """Whether this is an If header of RFC 4918 (section 10.4); entity tags may lack their quotes."""
    return _IF.fullmatch(value.strip()) is not None


def hide_delimiters(environ: dict[str, Any]) -> str | None:
    """The path that the Destination header names, if there is one, which is left for WsgiDAV to read.

    `show_delimiters` undoes it in what WsgiDAV makes of it. Raises DAVError 400 if it leads out of the tree.
    """
    if "HTTP_DESTINATION" not in environ:
        return None
    url = urlsplit(environ["HTTP_DESTINATION"], allow_fragments=False)
    path: str = normalize_path(unquote_to_bytes(url.path.encode("latin-1")).decode())
    hidden = path.replace("%", "%25").translate(_HIDDEN)
    environ["HTTP_DESTINATION"] = url._replace(path=hidden, query="").geturl()
    return path


def show_delimiters(path: str) -> str:
    """A path of WsgiDAV's as it is, whether it comes from the Destination header or not."""
    return path.translate(_SHOWN)
