"""Every error that may travel: one class per code, its facts as attributes, its message made from them.

An error reply carries `code` (also the HTTP status), `message`, `retryable` and `details`; the receiving
side raises the same class again. What is not in this tree never leaves a process: the host sends
`Internal` with an id that is also in the log.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self


class BusError(Exception):
    """The root: anything that a caller of the bus can be told.

    `code` is the HTTP status of the error; `kind` is its stable name on the wire; `retryable` says
    whether the same request may succeed later without a change.
    """

    code: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __getattr__(self, name: str) -> Any:
        # The facts read as attributes: `error.field`, `error.limit`.
        details = self.__dict__.get("details", {})
        if name in details:
            return details[name]
        raise AttributeError(name)

    def to_wire(self) -> dict[str, Any]:
        """The JSON body of an error reply."""
        return {
            "code": self.code,
            "kind": self.kind,
            "message": self.message,
            "retryable": self.retryable,
            "details": self.details,
        }

    @staticmethod
    def from_wire(body: dict[str, Any]) -> BusError:
        """The error that a reply body describes; an unknown kind becomes the nearest class by code."""
        message, details = str(body.get("message", "")), dict(body.get("details") or {})
        kinds = _by_kind()
        found = kinds.get(str(body.get("kind"))) or _BY_CODE.get(int(body.get("code", 500)), Internal)
        return found.rebuild(message, details)

    @classmethod
    def rebuild(cls, message: str, details: dict[str, Any]) -> Self:
        error = cls.__new__(cls)
        BusError.__init__(error, message, **details)
        return error


class BadRequest(BusError):
    """The request cannot be understood: `field` names the part, `limit` the bound it broke, if any."""

    code, kind = 400, "bad_request"

    def __init__(self, field: str, problem: str, *, limit: Any = None) -> None:
        facts = {"field": field, "problem": problem} | ({} if limit is None else {"limit": limit})
        super().__init__(f"{field}: {problem}", **facts)


class NotAFile(BadRequest):
    """A file was asked for by the CID of something else: `type` is "directory", "symbolic link" or such."""

    code, kind = 400, "not_a_file"

    def __init__(self, cid: str, found: str) -> None:
        super().__init__("cid", f"{cid} is a {found}, not a file")
        self.details |= {"cid": cid, "type": found}


class Forbidden(BusError):
    """The caller is known and may not do this."""

    code, kind = 403, "forbidden"


class NotFound(BusError):
    """What was asked for is not here: `what` says the sort of thing, `name` which one."""

    code, kind = 404, "not_found"

    def __init__(self, what: str, name: str, **details: Any) -> None:
        super().__init__(f"{what} not found: {name}", what=what, name=name, **details)


class NotCached(BusError):
    """The cache neither has this content nor would keep it: the ipfs actor is to be asked itself."""

    code, kind = 404, "not_cached"

    def __init__(self, cid: str) -> None:
        super().__init__(f"not cached: {cid}", cid=cid)


class Conflict(BusError):
    """The request is well formed but the present state refuses it."""

    code, kind = 409, "conflict"


class TooLarge(BusError):
    """A part of the request is larger than its limit; `limit_bytes` or `limit` says which."""

    code, kind = 413, "too_large"

    def __init__(self, field: str, *, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{field}: more than {limit} {unit}", field=field, limit=limit, unit=unit)


class UnsatisfiableRange(BusError):
    """A byte range that lies outside the content of `size_bytes` bytes."""

    code, kind = 416, "unsatisfiable_range"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(
            f"range: outside the content of {size_bytes} bytes", field="range", size_bytes=size_bytes
        )


class InvalidContent(BusError):
    """Stored or sent content breaks its own format: `field` names the part, `cid` the block if known."""

    code, kind = 422, "invalid_content"

    def __init__(self, field: str, problem: str, *, cid: str | None = None, limit: Any = None) -> None:
        facts: dict[str, Any] = {"field": field, "problem": problem}
        facts |= {} if cid is None else {"cid": cid}
        facts |= {} if limit is None else {"limit": limit}
        super().__init__(f"{field}: {problem}" + (f" (block {cid})" if cid else ""), **facts)


class Busy(BusError):
    """The actor has as much work as it takes at once; try again after `retry_after_s`."""

    code, kind, retryable = 429, "busy", True

    def __init__(
        self, who: str, *, limit: int, retry_after_s: float = 1.0,
        what: str = "requests are running or waiting",
    ) -> None:  # fmt: skip
        super().__init__(
            f"{who} is busy: {limit} {what}",
            who=who, limit=limit, retry_after_s=retry_after_s,
        )  # fmt: skip


class Cancelled(BusError):
    """The other side gave up: `reason` says why."""

    code, kind, retryable = 499, "cancelled", True

    def __init__(self, reason: str) -> None:
        super().__init__(f"cancelled: {reason}", reason=reason)


class Internal(BusError):
    """Something broke that the caller cannot mend; `error_id` finds the traceback in the actor's log."""

    code, kind = 500, "internal"

    def __init__(self, error_id: str) -> None:
        super().__init__(f"internal error {error_id}; the actor's log has the details", error_id=error_id)


class CorruptBlock(BusError):
    """A stored block no longer matches its checksum."""

    code, kind = 500, "corrupt_block"

    def __init__(self, cid: str) -> None:
        super().__init__(f"block {cid} is damaged on disk", cid=cid)


class DamagedIndex(BusError):
    """A file of the CID index no longer matches its checksum: `file` says which, `part` which part of it."""

    code, kind = 500, "damaged_index"

    def __init__(self, file: str, part: str) -> None:
        super().__init__(f"{file} is damaged on disk: {part}", file=file, part=part)


class NotSupported(BusError):
    """A well-formed request for something that this system does not do."""

    code, kind = 501, "not_supported"


class Unavailable(BusError):
    """Nobody answers there now, or the answer broke off; the same request may succeed later."""

    code, kind, retryable = 503, "unavailable", True


class DeadlineExceeded(BusError):
    """No answer within the time allowed, `timeout_s` seconds where it is known."""

    code, kind, retryable = 504, "deadline_exceeded", True

    def __init__(self, what: str, timeout_s: float | None = None) -> None:
        within = "" if timeout_s is None else f" within {timeout_s:g} s"
        super().__init__(f"{what}: no answer{within}", what=what, timeout_s=timeout_s)


class StorageFull(BusError):
    """The store's disk has no room for this content."""

    code, kind = 507, "storage_full"


def _by_kind() -> dict[str, type[BusError]]:
    found: dict[str, type[BusError]] = {}
    waiting: list[type[BusError]] = [BusError]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        found[cls.kind] = cls
    return found


_BY_CODE: dict[int, type[BusError]] = {
    cls.code: cls
    for cls in (BadRequest, Forbidden, NotFound, Conflict, TooLarge, UnsatisfiableRange, InvalidContent,
                Busy, Cancelled, Internal, NotSupported, Unavailable, DeadlineExceeded, StorageFull)
}  # fmt: skip
