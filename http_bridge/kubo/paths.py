"""What arguments name and answers tell: content paths in, CIDs out in the base that was asked for."""

from __future__ import annotations

from typing import NamedTuple

from ...schemas.cid import CID
from ...schemas.dag import DagPath
from ...schemas.errors import BadRequest
from ...schemas.names import NameResolve
from ...schemas.subjects import DAG_RESOLVE, NAME_RESOLVE
from .command import Call
from .errors import BadCall, Failed
from .multibase import BASES, Base, base_named

__all__ = ["CidTexts", "ContentPath", "block_at", "content_path", "only_cid"]

MAX_SHOWN_CHARS = 200


class ContentPath(NamedTuple):
    """A root and the names below it; `text` is the path in full, `/ipfs/<cid>/…`."""

    cid: str
    path: str

    @property
    def text(self) -> str:
        return f"/ipfs/{self.cid}" + (f"/{self.path}" if self.path else "")


async def content_path(call: Call, text: str) -> ContentPath:
    """What `/ipfs/<cid>/…`, `/ipld/<cid>/…`, `<cid>/…` or `/ipns/<name>/…` names, the name resolved.

    Raises Failed for a path that is none, and what resolving a name raises.
    """
    namespace, root, path = _split(text)
    if namespace == "ipns":
        found = await call.bus.request(NAME_RESOLVE, NameResolve(name=root))
        namespace, root, below = _split(found.path)
        path = "/".join(part for part in (below, path) if part)
    return ContentPath(_root(text, root), path)


async def block_at(call: Call, text: str) -> str:
    """The CID of the block that a path ends in; raises as `content_path` does, and NotFound."""
    path = await content_path(call, text)
    if not path.path:
        return path.cid
    return (await call.bus.request(DAG_RESOLVE, DagPath(cid=path.cid, path=path.path))).cid


def only_cid(text: str) -> str:
    """The CID of an argument that may go no further than its root; raises Failed."""
    namespace, root, path = _split(text)
    if namespace == "ipns" or path:
        raise Failed(f'invalid path "{text[:MAX_SHOWN_CHARS]}": only a CID may stand here')
    return _root(text, root)


def _split(text: str) -> tuple[str, str, str]:
    shown = text[:MAX_SHOWN_CHARS]
    if text.startswith("/"):
        namespace, _, rest = text[1:].partition("/")
        if namespace not in ("ipfs", "ipns", "ipld"):
            raise Failed(f'invalid path "{shown}": unknown namespace "{namespace[:32]}"')
    else:
        namespace, rest = "ipfs", text.removeprefix("ipfs://")
        if text.startswith("ipns://"):
            namespace, rest = "ipns", text.removeprefix("ipns://")
    root, _, path = rest.partition("/")
    if not root:
        raise Failed(f'invalid path "{shown}": path does not have enough components')
    return namespace, root, path.strip("/")


def _root(text: str, root: str) -> str:
    try:
        CID.parse(root)
    except BadRequest as error:
        # Kubo says of a bare word only that it is no path; why it is no CID is of more use.
        raise Failed(f'invalid path "{text[:MAX_SHOWN_CHARS]}": invalid cid: {error.problem}') from None
    return root


class CidTexts:
    """How an answer writes CIDs: `cid-base` picks the base of version 1, and lifts version 0 to it unless
    `upgrade-cidv0-in-output` says otherwise."""

    def __init__(self, call: Call, *, upgrade: bool = True) -> None:
        """Raises BadCall for a base that there is not."""
        name = call.text("cid-base")
        self._base: Base | None = None
        if name:
            try:
                self._base = base_named(name)
            except KeyError:
                known = ", ".join(base.name for base in BASES)
                raise BadCall(f"cid-base: {name[:32]!r} is not one of {known}") from None
        chosen = call.choice("upgrade-cidv0-in-output")
        self._upgrade = chosen if chosen is not None else upgrade and bool(name)
        self._plain = self._base is None and not self._upgrade

    def __call__(self, text: str) -> str:
        """The CID as this answer writes it."""
        if self._plain:
            return text
        cid = CID.parse(text)
        if cid.version == 0 and not self._upgrade:
            return str(cid)
        cid = cid.to_v1()
        return str(cid) if self._base is None else self._base.text(bytes(cid))
