"""The errors that only tus has a status for."""

from __future__ import annotations

from ...schemas.errors import BusError, Conflict, InvalidContent
from .headers import VERSION

__all__ = ["as_tus_says", "UnknownVersion", "ChecksumMismatch", "Locked", "Unplaced"]


class UnknownVersion(BusError):
    """A request that does not say it speaks this version of tus."""

    code, kind = 412, "unknown_version"

    def __init__(self, given: str | None) -> None:
        said = "missing" if given is None else f"{given[:40]!r} is not spoken here"
        super().__init__(f"Tus-Resumable: {said}, only {VERSION}", field="Tus-Resumable", version=VERSION)


class Locked(BusError):
    """Another request is writing to the upload."""

    code, kind, retryable = 423, "locked", True

    def __init__(self, conflict: Conflict) -> None:
        super().__init__(conflict.message, **conflict.details)


class Unplaced(BusError):
    """A complete upload cannot have the place that its metadata name, for what stands there."""

    code, kind = 422, "unplaced"  # with a 409 tus tells of a wrong offset

    def __init__(self, conflict: Conflict, cid: str | None) -> None:
        super().__init__(
            f"path: {cid} is complete, but cannot be placed: {conflict.message}", field="path", cid=cid
        )


class ChecksumMismatch(BusError):
    """The bytes of a request are not those that its checksum was made of; none of them is kept."""

    code, kind = 460, "checksum_mismatch"

    def __init__(self, found: InvalidContent) -> None:
        super().__init__(found.message, field="Upload-Checksum", problem=found.problem)


def as_tus_says(error: BusError) -> BusError:
    """The same error with the status that tus has for it."""
    if isinstance(error, Conflict) and error.details.get("locked"):
        return Locked(error)
    if isinstance(error, InvalidContent) and error.details.get("field") == "checksum":
        return ChecksumMismatch(error)
    return error
