"""The base of every message body: a strict, immutable pydantic model that is plain JSON on the wire."""

from __future__ import annotations

from typing import Annotated, Self, cast

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.types import StringConstraints

from .errors import BadRequest

__all__ = ["Wire", "Reply", "Empty", "CidText", "PathText"]

# Longest CID text that is read at all: base16 of a 128-byte digest and its prefix fits well within it.
MAX_CID_CHARS = 512
MAX_PATH_CHARS = 4096

CidText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_CID_CHARS),
    Field(description="A CID, version 0 or 1, in any supported multibase", examples=["bafkqaaa"]),
]
PathText = Annotated[
    str,
    StringConstraints(max_length=MAX_PATH_CHARS),
    Field(description="A path below the CID, `/` between its names; empty for the CID itself"),
]


class Wire(BaseModel):
    """A message body. Unknown fields are refused, so a misspelt one is an error and not a silence."""

    # A model is built at its first use: a process says only some of the words, and building all of them would
    # be most of its start.
    model_config = ConfigDict(
        extra="forbid", frozen=True, ser_json_bytes="base64", val_json_bytes="base64", defer_build=True
    )

    def to_wire(self) -> bytes:
        """The body as JSON; fields at their defaults of None are left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)

    @classmethod
    def from_wire(cls, body: bytes) -> Self:
        """The model of a JSON body; an empty body is `{}`.

        Raises BadRequest, naming the first field that is wrong, if the body is not such a JSON object.
        """
        try:
            return cast(Self, cls.__pydantic_validator__.validate_json(body or b"{}"))
        except ValidationError as error:
            raise bad_request(error) from None

    @classmethod
    def from_fields(cls, fields: dict[str, object]) -> Self:
        """The model of loose text fields, such as a query string's: numbers and booleans are read from text.

        Raises BadRequest as `from_wire` does.
        """
        try:
            return cast(Self, cls.__pydantic_validator__.validate_python(fields))
        except ValidationError as error:
            raise bad_request(error) from None


class Reply(Wire):
    """A body that is answered or announced. Fields that this version does not know are ignored, so that a
    newer actor may say more."""

    model_config = ConfigDict(extra="ignore")


class Empty(Wire):
    """No fields."""


def bad_request(error: ValidationError) -> BadRequest:
    """A validation failure as one sentence that names the field and the limit it broke."""
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "body"
    context = first.get("ctx") or {}
    numbers = [v for k, v in context.items() if isinstance(v, int | float) and k != "actual_length"]
    limit = numbers[0] if numbers else context.get("expected", context.get("pattern"))
    return BadRequest(field, first["msg"].removeprefix("Value error, "), limit=limit)


def dump_json(value: object) -> bytes:
    """Any JSON-able value (models included) as compact JSON."""
    return orjson.dumps(value, default=lambda v: v.model_dump(mode="json", exclude_none=True))
