"""What a command of the RPC is, and how a request becomes a call of one: arguments, options and their types.

The rules are those of Kubo's own parser: `arg` repeats, an option may go by any of its names, a flag without
a value is set, and an option that the command does not have is ignored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import web

from ...bus import Bus
from ..bodies import media_type_of
from ..bridge import Bridge
from .durations import seconds
from .errors import BadCall

__all__ = ["Argument", "Call", "Command", "Content", "Option", "flag", "number", "text", "texts"]

MULTIPART = "multipart/form-data"

Kind = Literal["bool", "int", "uint", "int64", "string", "array"]
# What a handler makes: one value, many (an async generator), or bytes.
Answer = AsyncIterator[Any] | Awaitable[Any]
Handler = Callable[["Call"], Answer]


@dataclass(frozen=True, slots=True)
class Argument:
    """One positional argument; a `file` stands in the body, as a part of a form."""

    name: str
    required: bool = True
    variadic: bool = False
    file: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One option: the first of its names is the one that handlers ask by."""

    names: tuple[str, ...]
    kind: Kind
    default: Any = None

    @property
    def name(self) -> str:
        return self.names[0]

    def read(self, value: str) -> Any:
        """The value of a text; raises BadCall as Kubo words it."""
        try:
            if self.kind == "bool":
                return _BOOLS[value.lower()]
            if self.kind in ("int", "uint", "int64"):
                return self._integer(value)
        except (KeyError, ValueError):
            shown = f'value "{value[:100]}"' if value else "empty value"
            raise BadCall(
                f'could not convert {shown} to type "{self.kind}" (for option "-{self.name}")'
            ) from None
        return value

    def _integer(self, value: str) -> int:
        number = int(value, 0)
        bits = 63 if self.kind == "int64" else 31
        low, high = (0, 2**32) if self.kind == "uint" else (-(2**bits), 2**bits)
        if not low <= number < high:
            raise ValueError(value)
        return number


_BOOLS = {"": True, "1": True, "t": True, "true": True, "0": False, "f": False, "false": False}


def flag(*names: str, default: bool | None = None) -> Option:
    return Option(names, "bool", default)


def number(*names: str, kind: Kind = "int", default: int | None = None) -> Option:
    return Option(names, kind, default)


def text(*names: str, default: str | None = None) -> Option:
    return Option(names, "string", default)


def texts(*names: str) -> Option:
    """An option that may be given several times."""
    return Option(names, "array")


GLOBAL_OPTIONS = (
    text("encoding", "enc", default="json"),
    flag("stream-channels"),
    text("timeout"),
    text("cid-base"),
    flag("upgrade-cidv0-in-output"),
    flag("debug", "D"),
    flag("offline"),
    flag("local", "L"),
    flag("help", "h"),
    text("api"),
    text("repo-dir"),
    text("config-file"),
)


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its path below `/api/v0`, what answers it, and what it takes."""

    path: str
    handler: Handler
    summary: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()

    def call(self, bridge: Bridge, request: web.Request, extra: Iterable[str] = ()) -> Call:
        """The call that a request makes; `extra` are arguments from its path. Raises BadCall."""
        args = [*extra, *request.query.getall("arg", [])]
        self._check_arguments(args, request)
        options = self._options(request)
        if options["encoding"] != "json":
            raise BadCall(f"encoding {options['encoding'][:50]!r} is not spoken here, only json")
        timeout = options.get("timeout")
        timeout_s = None if timeout is None else seconds(timeout, "timeout")
        return Call(bridge, request, self, args, options, timeout_s)

    def _check_arguments(self, args: list[str], request: web.Request) -> None:
        given = len(args)
        for argument in self.arguments:
            if argument.file:
                if argument.required and media_type_of(request) != MULTIPART:
                    raise BadCall(f"file argument '{argument.name}' is required")
            elif argument.required:
                if given == 0:
                    raise BadCall(f'argument "{argument.name}" is required')
                given -= 1

    def _options(self, request: web.Request) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for option in (*GLOBAL_OPTIONS, *self.options):
            given = [(name, request.query.getall(name)) for name in option.names if name in request.query]
            if len(given) > 1:
                first, second = given[0][0], given[1][0]
                raise BadCall(f'duplicate command options were provided ("{first}" and "{second}")')
            if not given:
                options[option.name] = option.default
            elif option.kind == "array":
                options[option.name] = given[0][1]
            elif len(given[0][1]) > 1:
                raise BadCall(
                    f"expected key {option.name} to have only a single value, received {given[0][1]}"
                )
            else:
                options[option.name] = option.read(given[0][1][0])
        return options


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes as an answer: plain content, or a JSON document that is written as it comes."""

    pieces: AsyncIterator[bytes]
    media_type: str = "text/plain"
    length: int | None = None


class Call:
    """One request to one command, understood."""

    def __init__(
        self,
        bridge: Bridge,
        request: web.Request,
        command: Command,
        args: list[str],
        options: dict[str, Any],
        timeout_s: float | None,
    ) -> None:
        self.bridge, self.request, self.command = bridge, request, command
        self.args = args
        self.timeout_s = timeout_s
        self._options = options

    @property
    def bus(self) -> Bus:
        return self.bridge.bus

    @property
    def arg(self) -> str:
        """The first argument."""
        return self.args[0]

    def given(self, name: str) -> bool:
        """Whether an option was given, or has a default."""
        return self._options[name] is not None

    def value(self, name: str) -> Any:
        return self._options[name]

    def flag(self, name: str) -> bool:
        return bool(self._options[name])

    def choice(self, name: str) -> bool | None:
        """A flag that may also be left open."""
        value = self._options[name]
        return None if value is None else bool(value)

    def text(self, name: str) -> str:
        """The text of an option, empty if it was not given."""
        return self._options[name] or ""

    def texts(self, name: str) -> list[str]:
        return list(self._options[name] or ())

    def number(self, name: str) -> int | None:
        value = self._options[name]
        assert value is None or isinstance(value, int)
        return value
