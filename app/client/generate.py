"""Writes `methods.py` from the table: `python -m cidbus.client.generate`."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from cidbus.schemas import subjects
from cidbus.schemas.rows import Call, Replied, Request, Stream, Upload
from cidbus.schemas.subjects import ACTORS, calls
from cidbus.schemas.wire import Empty, Wire

__all__ = ["METHODS", "generate"]

METHODS = Path(__file__).with_name("methods.py")
WIDTH = 110

HEADER = '''\
"""Every actor's methods, one per row of the table; made by `python -m cidbus.client.generate`."""

# ruff: noqa: A002
from __future__ import annotations
'''

# The fields that carry an upload's content inside the request; `source` stands for them.
INLINE_FIELDS = ("content", "data", "object")
# Which operation of a tree it is: the row says that already.
OPERATION_TAG = "op"


def generate() -> str:
    """The text of `methods.py`."""
    actors = [actor for actor in ACTORS if calls(actor)]
    classes = [_namespace(actor) for actor in actors]
    text = "\n\n".join([HEADER + _imports("".join(classes)), *classes, _methods(actors)])
    return _formatted(text)


def _formatted(text: str) -> str:
    """The text as `ruff format` lays it out; ruff is there wherever cidbus is developed."""
    options = ["--line-length", str(WIDTH), "--stdin-filename", METHODS.name]
    ruff = [sys.executable, "-m", "ruff", "format", *options, "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603


def _imports(text: str) -> str:
    modules = sorted({module for row in calls() for module in _modules_of(row)} | {"subjects"})
    lines = ["", "from collections.abc import AsyncIterator"] if "AsyncIterator[" in text else [""]
    if "Literal[" in text:
        lines.append("from typing import Literal")
    lines += ["", f"from cidbus.schemas import {', '.join(modules)}"]
    if re.search(r"\bEmpty[],]", text):
        lines.append("from cidbus.schemas.wire import Empty")
    lines.append("")
    if "Content[" in text:
        lines.append("from .content import Content")
    if "Items[" in text:
        lines.append("from .items import Items")
    lines += ["from .namespace import Namespace", "from .transport import Transport"]
    if "upload(" in text:
        node = "Node, " if "Node" in text else ""
        lines.append(f"from .upload import {node}Progress, Source, upload")
    names = [*(_class(actor) for actor in ACTORS if calls(actor)), "Methods"]
    return "\n".join([*lines, "", f"__all__ = [{', '.join(map(_quoted, names))}]", ""])


def _modules_of(row: Call[Any]) -> Iterator[str]:
    models = [row.ask, *([row.reply] if isinstance(row, Replied) else [])]
    if isinstance(row, Stream):
        models += [row.head, row.item]
    for model in models:
        if model is not bytes and model is not Empty:
            yield model.__module__.rpartition(".")[2]


def _methods(actors: list[str]) -> str:
    lines = [
        "class Methods:",
        '    """One namespace per actor."""',
        "",
        "    def __init__(self, transport: Transport) -> None:",
        *(f"        self.{actor} = {_class(actor)}(transport)" for actor in actors),
        "",
    ]
    return "\n".join(lines)


def _namespace(actor: str) -> str:
    methods = "\n".join(_method(row) for row in calls(actor))
    return f'class {_class(actor)}(Namespace):\n    """{ACTORS[actor].summary}."""\n\n{methods}'


def _class(actor: str) -> str:
    return "".join(word.capitalize() for word in actor.split("_"))


# ---- one method -----------------------------------------------------------------------------------------


def _method(row: Call[Any]) -> str:
    name = row.verb.replace(".", "_")
    body, answer, word = _body(row)
    signature = f"{word} {name}({_parameters(row)}) -> {answer}:"
    method = signature + "\n" + textwrap.indent("\n".join([_docstring(row), *body]), "    ")
    return textwrap.indent(method, "    ") + "\n"


def _body(row: Call[Any]) -> tuple[list[str], str, str]:
    """The lines of a method, what it returns, and the word that begins it."""
    fields = "{" + ", ".join(f"{_quoted(name)}: {name}" for name in _fields(row)) + "}"
    constant = f"subjects.{_constant(row)}"
    if isinstance(row, Upload):
        more = ("hidden=hidden, " if _takes_trees(row) else "") + "progress=progress, timeout_s=timeout_s"
        call = f"upload(self._transport, {constant}, source, {fields}, {more})"
        return [f"return await {call}"], _name(row.reply), "async def"
    ask = f"ask = {_name(row.ask)}.from_fields({fields})"
    given = f"({constant}, ask, timeout_s=timeout_s)"
    if isinstance(row, Request):
        return [ask, f"return await self._transport.request{given}"], _name(row.reply), "async def"
    assert isinstance(row, Stream)
    if row.item is bytes:
        opened = f"return Content(lambda: self._transport.open{given})"
        return [ask, opened], f"Content[{_name(row.head)}]", "def"
    if row.head is not Empty:
        opened = f"return Items(lambda: self._transport.open_items{given})"
        return [ask, opened], f"Items[{_name(row.head)}, {_name(row.item)}]", "def"
    return [ask, f"return self._transport.items{given}"], f"AsyncIterator[{_name(row.item)}]", "def"


def _parameters(row: Call[Any]) -> str:
    fields = _fields(row)
    required = [f"{name}: {_type(field.annotation)}" for name, field in fields.items() if field.is_required()]
    optional = [
        f"{name}: {_type(field.annotation)} = {_value(field.default)}"
        for name, field in fields.items()
        if not field.is_required()
    ]
    if isinstance(row, Upload):
        required.insert(0, "source: Source | Node" if _takes_nodes(row) else "source: Source")
        optional += ["hidden: bool = False"] if _takes_trees(row) else []
        optional.append("progress: Progress | None = None")
    optional.append("timeout_s: float | None = None")
    return ", ".join(["self", *required, "*", *optional])


def _fields(row: Call[Any]) -> dict[str, FieldInfo]:
    """The fields that a method takes: what the row is about first, which back end answers last."""
    left_out = {OPERATION_TAG, *(INLINE_FIELDS if isinstance(row, Upload) else ())}
    fields = {name: field for name, field in row.ask.model_fields.items() if name not in left_out}
    return dict(sorted(fields.items(), key=lambda field: field[0] == "backend"))


def _takes_trees(row: Upload[Any, Any]) -> bool:
    return "content_type" in row.ask.model_fields


def _takes_nodes(row: Upload[Any, Any]) -> bool:
    return "object" in row.ask.model_fields


def _docstring(row: Call[Any]) -> str:
    lines = [f'"""{row.summary}.', ""]
    for name, field in _fields(row).items():
        if field.description:
            lines += _wrap(f"`{name}`: {field.description[0].lower()}{field.description[1:].rstrip('.')}.")
    if isinstance(row, Upload):
        lines += _wrap(_source(row))
        lines += _wrap("`progress`: called with the number of bytes sent so far.")
    if isinstance(row, Upload) and _takes_trees(row):
        lines += _wrap("`hidden`: whether a directory's entries whose names begin with a dot are sent too.")
    waits = f"how long to wait for an answer or its next part, {row.timeout_s:g} s by default"
    over_http = f"over HTTP `{row.http[0]}`" if row.http else "which HTTP does not have"
    lines += [*_wrap(f"`timeout_s`: {waits}."), "", *_wrap(f"Asks `{row.subject}`, {over_http}."), '"""']
    return "\n".join(lines)


def _source(row: Upload[Any, Any]) -> str:
    source = "`source`: text, bytes, an async iterable of bytes, or the Path of a file"
    if _takes_trees(row):
        source += " or of a directory"
    if _takes_nodes(row):
        source += ', all in `input_codec`; anything else is the node itself, with links as `{"/": cid}`'
    return source + "."


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH - 8, subsequent_indent="    ", break_on_hyphens=False)


# ---- types and values as source --------------------------------------------------------------------------


def _constant(row: Call[Any]) -> str:
    return next(name for name, value in vars(subjects).items() if value is row)


def _name(model: type[Any]) -> str:
    if model is Empty:
        return "Empty"
    return f"{model.__module__.rpartition('.')[2]}.{model.__name__}"


def _type(annotation: Any) -> str:
    """An annotation without its constraints, as it is written in source."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, types.UnionType):
        return " | ".join(_type(part) for part in arguments)
    if origin is Literal:
        return f"Literal[{', '.join(_value(value) for value in arguments)}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(_type(part) for part in arguments)}]"
    if annotation is type(None):
        return "None"
    if annotation is Any:
        return "object"
    if inspect.isclass(annotation) and issubclass(annotation, Wire):
        return _name(annotation)
    name: str = annotation.__name__
    return name


def _value(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


if __name__ == "__main__":
    METHODS.write_text(generate())
