"""What every actor's settings have in common: they come from the environment, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ValidationError
from pydantic_settings import BaseSettings

from ..schemas.errors import BadRequest
from ..schemas.wire import bad_request

__all__ = ["ActorSettings"]


class ActorSettings(BaseSettings):
    """Each field is the environment variable of the class's prefix and its name in capitals."""

    @classmethod
    def prefix(cls) -> str:
        return cls.model_config["env_prefix"]

    @classmethod
    def read(cls) -> Self:
        """The settings of this process's environment; raises BadRequest naming the variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            wrong = _wrong(error)
            name = cls.prefix() + wrong.field.upper()
            raise BadRequest(name, wrong.problem, limit=wrong.details.get("limit")) from None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """The settings of these fields over those of the environment; raises BadRequest naming the one that
        is wrong."""
        try:
            return cls(**fields)
        except ValidationError as error:
            raise _wrong(error) from None

    @classmethod
    def environment_of(cls, fields: Mapping[str, str]) -> dict[str, str]:
        """The same settings as environment variables, for a process to be started."""
        return {cls.prefix() + name.upper(): value for name, value in fields.items()}


def _wrong(error: ValidationError) -> BadRequest:
    wrong = bad_request(error)
    return BadRequest(wrong.field.partition(".")[0], wrong.problem, limit=wrong.details.get("limit"))
