"""The OpenAPI 3.1 document: every route of the table, with its fields, answers and problems."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from ..schemas.cache import TableHead
from ..schemas.ipfs import FileHead, TarHead
from ..schemas.rows import Call, Replied, Stream, Upload
from ..schemas.subjects import ACTORS, CAT, calls
from ..schemas.wire import Empty, Wire
from .json_schemas import REFERENCE, Document, references_and_schemas
from .mcp_files import FILES, FILES_PATH
from .paths import ANY_PATH, served_paths
from .problems import PROBLEM_TYPE, REASONS
from .streaming import STREAMING, StreamingFields
from .tables import ARROW, AS_ARROW, PARQUET
from .uploading.described import upload_paths

__all__ = ["openapi_document"]

JSON, NDJSON, TEXT, OCTETS = (
    "application/json",
    "application/x-ndjson",
    "text/plain",
    "application/octet-stream",
)
# Any route may end so; the others say more.
COMMON = (400, 403, 404, 409, 422, 429, 431, 500, 501, 503, 504)
WITH_BODY = (408, 413, 415, 507)
_MEDIA: dict[type, tuple[str, ...]] = {TarHead: ("application/x-tar",), TableHead: (ARROW, PARQUET)}
CONTENT_FIELDS = frozenset({"content", "data", "content_type"})


class Operation(BaseModel):
    """What every JSON answer has beside its own fields."""

    success: bool
    operation_id: str = Field(description="Also the X-Operation-ID header")
    duration_ms: float


class Problem(BaseModel):
    """An error (RFC 9457). Further members are the error's facts, such as `field` and `limit`."""

    type: str = Field(examples=["urn:cidbus:problem:not_found"])
    title: str
    status: int
    detail: str
    operation_id: str
    success: bool = Field(json_schema_extra={"const": False})
    retryable: bool = Field(description="Whether the same request may succeed later")


def openapi_document(prefix: str = "/api/v0/mcp", version: str = "0.0.0") -> Document:
    """The document of a bridge that serves the table below `prefix`."""
    rows = [row for row in calls() if row.http]
    schemas, components = references_and_schemas([row.ask for row in rows], _models(rows))
    prefix = prefix.rstrip("/")
    paths: Document = {}
    for method, path, operation in _operations(rows, schemas):
        paths.setdefault(prefix + path, {})[method] = operation
    paths |= upload_paths(prefix) | _pages(prefix)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "cidbus",
            "version": version,
            "summary": "Content by CID, over HTTP; every operation is also a NATS subject",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": info.summary} for name, info in ACTORS.items()]
        + [{"name": "system", "description": "Health, documents and events"}],
        "paths": paths,
        "components": {"schemas": components, "responses": _problems(), "headers": _HEADERS},
    }


def _operations(rows: list[Call[Any]], schemas: dict[Any, Document]) -> Iterator[tuple[str, str, Document]]:
    """Method, path below the prefix and description of everything that a row answers."""
    for row in rows:
        for number, line in enumerate(row.http):
            yield from _Operations(row, schemas, number).at(line)
    for name, line in STREAMING.items():
        yield from _Streaming(name, schemas).at(line)
    for verb, (methods, answering, ask) in FILES.items():
        for method in methods:
            yield from _Files(verb, answering, ask, schemas).at(f"{method} {FILES_PATH}/{verb}")


def _models(rows: list[Call[Any]]) -> Iterator[type[BaseModel]]:
    """Every model that an answer may bear."""
    yield from (Operation, Problem)
    for row in rows:
        if isinstance(row, Replied):
            yield row.reply
        elif isinstance(row, Stream) and row.item is not bytes:
            yield from (row.item, row.head)


class _Operations:
    """The operations of one row at one of its routes."""

    def __init__(self, row: Call[Any], schemas: dict[Any, Document], number: int) -> None:
        self._row = row
        self._schemas = schemas
        self._fields: Document = row.ask.model_json_schema(ref_template=REFERENCE).get("properties", {})
        self._required = set(row.ask.model_json_schema().get("required", ()))
        self._id = row.name if number == 0 else f"{row.name}.{number + 1}"

    def at(self, line: str) -> Iterator[tuple[str, str, Document]]:
        method, _, pattern = line.partition(" ")
        for below, path in enumerate(served_paths(self._row, pattern)):
            name = self._id + (".path" if below else "")
            shown = path.replace(ANY_PATH, "/{path}")
            yield method.lower(), shown, self._operation(name, method, shown)
            if method == "GET":
                yield "head", shown, self._operation(f"{name}.head", "HEAD", shown)

    def _operation(self, name: str, method: str, path: str) -> Document:
        responses: Document = self._answers(method)
        with_body = method not in ("GET", "HEAD")
        for status in sorted({*COMMON, *(WITH_BODY if with_body else ()), *(self._content_problems())}):
            responses[str(status)] = _problem(status, method)
        operation = {
            "operationId": name,
            "summary": self._row.summary,
            "description": f"NATS subject `{self._row.subject}`.",
            "tags": [self._row.actor],
            "parameters": list(self._parameters(method, path)),
            "responses": responses,
        }
        if with_body:
            operation["requestBody"] = self._body()
        return operation

    # ---- what goes in -----------------------------------------------------------------------------------

    def _parameters(self, method: str, path: str) -> Iterator[Document]:
        for name, schema in self._fields.items():
            if f"{{{name}}}" in path:
                yield _parameter(name, "path", schema, required=True)
            elif method in ("GET", "HEAD"):
                yield _parameter(name, "query", schema, required=name in self._required)
            elif isinstance(self._row, Upload) and name not in CONTENT_FIELDS:
                yield _parameter(name, "query", schema, required=False)
        if method in ("GET", "HEAD") and self._is_file:
            yield from _FILE_PARAMETERS
        if method == "GET" and self._is_file:
            yield _RANGE

    @property
    def _is_file(self) -> bool:
        return isinstance(self._row, Stream) and issubclass(self._row.head, FileHead)

    def _body(self) -> Document:
        content: Document = {JSON: {"schema": self._schemas[self._row.ask]}}
        if isinstance(self._row, Upload):
            content[OCTETS] = {"schema": {}}
            if "content_type" in self._fields:
                files = {"type": "array", "items": {"type": "string", "contentMediaType": OCTETS}}
                form = {"type": "object", "properties": {"file": files}, "required": ["file"]}
                content["multipart/form-data"] = {"schema": form}
        return {"required": bool(self._required) or isinstance(self._row, Upload), "content": content}

    # ---- what comes out ---------------------------------------------------------------------------------

    def _answers(self, method: str) -> Document:
        row = self._row
        if isinstance(row, Replied):
            body = {"allOf": [self._schemas[Operation], self._schemas[row.reply]]}
            return {"200": _answer(row.reply.__doc__ or row.summary, {JSON: {"schema": body}}, method)}
        assert isinstance(row, Stream)
        if row.item is not bytes:
            return {"200": _answer("The list; nothing of it is held in memory", self._list(row), method)}
        media: Document = {name: {} for name in _MEDIA.get(row.head, ("*/*",))}
        if row.head is TableHead:
            return {"200": _answer("The table as it is now", media, method)}
        answers = {"200": _answer("The content", media, method, "ETag", "X-Content-Size")}
        if method != "POST":
            answers["304"] = {"description": "The client has it already", "headers": _headers("ETag")}
        if method == "GET" and self._is_file:
            partial = _answer("The range", media, method, "ETag", "Content-Range", "X-Content-Size")
            answers["206"] = partial
        return answers

    def _list(self, row: Stream[Any, Any, Any]) -> Document:
        items = {"type": "array", "items": self._schemas[row.item]}
        extra = {
            "type": "object",
            "properties": {row.items: items, "count": {"type": "integer", "minimum": 0}},
            "required": [row.items, "count"],
        }
        before = [] if row.head is Empty else [self._schemas[row.head]]
        document = {"schema": {"allOf": [self._schemas[Operation], *before, extra]}}
        answers = {
            JSON: document,
            NDJSON: {"schema": {"type": "string", "description": "One item on each line"}},
        }
        return answers | ({ARROW: {"schema": {}}} if row in AS_ARROW else {})

    def _content_problems(self) -> tuple[int, ...]:
        return (416,) if self._is_file else ()


class _Streaming(_Operations):
    """A file at the pace of who watches it: the operations of its row, with the bridge's own fields."""

    def __init__(self, name: str, schemas: dict[Any, Document]) -> None:
        super().__init__(CAT, schemas, 0)
        self._id = name
        own = StreamingFields.model_json_schema()["properties"]
        self._fields = {n: f for n, f in self._fields.items() if n not in ("offset", "length")} | own


class _Files(_Operations):
    """The file tree in the documented words: the operations of a row, with other fields."""

    def __init__(self, verb: str, row: Call[Any], ask: type[Wire], schemas: dict[Any, Document]) -> None:
        super().__init__(row, schemas, 0)
        self._verb = verb
        self._own = ask.model_json_schema(ref_template=REFERENCE)
        self._fields = self._own.get("properties", {})
        self._required = set(self._own.get("required", ()))

    def at(self, line: str) -> Iterator[tuple[str, str, Document]]:
        method = line.partition(" ")[0].lower()
        self._id = f"ipfs.files.{self._verb}" + ("" if method == "get" else f".{method}")
        yield from super().at(line)

    def _body(self) -> Document:
        content: Document = {JSON: {"schema": self._own}}
        if isinstance(self._row, Upload):
            content[OCTETS] = {"schema": {}}
        return {"required": bool(self._required), "content": content}


def _parameter(name: str, where: str, schema: Document, *, required: bool) -> Document:
    described = {key: value for key, value in schema.items() if key != "title" and value is not None}
    parameter = {"name": name, "in": where, "required": required, "schema": _plain(described)}
    if "description" in schema:
        parameter["description"] = schema["description"]
    return parameter


def _plain(schema: Document) -> Document:
    """The schema of a field in text, where leaving it out is the only way to say null."""
    choices: list[Document] = [choice for choice in schema.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        return {key: value for key, value in schema.items() if key != "anyOf"} | choices[0]
    return schema


def _answer(description: str, content: Document, method: str, *headers: str) -> Document:
    answer: Document = {"description": description.strip(), "headers": _headers("X-Operation-ID", *headers)}
    if method != "HEAD":
        answer["content"] = content
    return answer


def _problem(status: int, method: str) -> Document:
    if method == "HEAD":
        return {"description": REASONS[status], "headers": _headers("X-Operation-ID")}
    return {"$ref": f"#/components/responses/Problem{status}"}


def _problems() -> Document:
    content = {PROBLEM_TYPE: {"schema": {"$ref": REFERENCE.format(model="Problem")}}}
    found: Document = {}
    for status, reason in REASONS.items():
        headers = _headers("X-Operation-ID", *(("Retry-After",) if status in (429, 503) else ()))
        found[f"Problem{status}"] = {"description": reason, "headers": headers, "content": content}
    return found


def _headers(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(description: str, kind: str = "string") -> Document:
    return {"description": description, "schema": {"type": kind}}


_HEADERS: Document = {
    "X-Operation-ID": _header("The id of this operation, also in the body where that is JSON"),
    "Retry-After": _header("Seconds to wait before asking again", "integer"),
    "ETag": _header("The CID and path; content never changes, so the tag is strong"),
    "X-Content-Size": _header("Bytes of the whole content, whatever part is sent", "integer"),
    "Content-Range": _header("Which bytes are sent, and of how many"),
}

_FILE_PARAMETERS: list[Document] = [
    {
        "name": "filename",
        "in": "query",
        "description": "The name to save it under; its ending also says the media type",
        "schema": {"type": "string", "maxLength": 255},
    },
    {
        "name": "download",
        "in": "query",
        "description": "Save it, do not show it",
        "schema": {"type": "boolean"},
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "Entity tags that the client has",
        "schema": {"type": "string"},
    },
]
_RANGE: Document = {
    "name": "Range",
    "in": "header",
    "description": "One range of bytes; several disjoint ones are answered by the whole",
    "schema": {"type": "string", "examples": ["bytes=0-1023"]},
}


# ---- beside the table -----------------------------------------------------------------------------------


def _pages(prefix: str) -> Document:
    """Health, documents and events; at the root those that are there too."""
    json = {JSON: {"schema": {"type": "object"}}}
    pages: dict[str, tuple[str, str, Document, tuple[int, ...]]] = {
        "/health": ("health", "A summary of the system", json, ()),
        "/livez": ("livez", "Whether this process answers", json, ()),
        "/readyz": ("readyz", "Whether every needed actor answers", json, (503,)),
        "/openapi.json": ("openapi", "This document", json, ()),
        "/asyncapi.json": ("asyncapi", "The AsyncAPI document of the NATS subjects", json, ()),
        "/docs": ("docs", "A page to read this document", {"text/html": {}}, ()),
    }
    below: dict[str, tuple[str, str, Document, tuple[int, ...]]] = {
        "/stats": ("stats", "What each actor instance has done", json, ()),
        "/operations": ("operations", "The last operations, in debug mode", json, (403,)),
        "/debug": ("debug", "The state of the bridge, in debug mode", json, (403,)),
    }
    paths: Document = {}
    for path, (name, summary, content, statuses) in (pages | below).items():
        for root in ("", prefix) if path in pages else (prefix,):
            paths[root + path] = {
                method: _page(
                    f"{name}{'.mcp' if root and path in pages else ''}{'.head' if method == 'head' else ''}",
                    summary, content, statuses, method.upper(),
                )
                for method in ("get", "head")
            }  # fmt: skip
    paths[f"{prefix}/distributed/events"] = {"get": _events()}
    return paths


def _page(name: str, summary: str, content: Document, statuses: tuple[int, ...], method: str) -> Document:
    responses = {"200": _answer(summary, content, method)}
    for status in sorted({*statuses, 429, 431, 500}):
        responses[str(status)] = _problem(status, method)
    return {"operationId": name, "summary": summary, "tags": ["system"], "responses": responses}


def _events() -> Document:
    text = {"type": "string"}
    return {
        "operationId": "events",
        "summary": "Events as they happen",
        "description": (
            "A WebSocket, whose first message gives the parameters as JSON (`{}` for everything), or "
            "server-sent events with `Accept: text/event-stream` and the parameters in the query."
        ),
        "tags": ["system"],
        "parameters": [
            {
                "name": "types",
                "in": "query",
                "description": "Event names",
                "style": "form",
                "explode": False,
                "schema": {"type": "array", "items": text},
            },
            {"name": "cid_prefix", "in": "query", "schema": text | {"maxLength": 512}},
        ],
        "responses": {
            "101": {"description": "The WebSocket is open"},
            "200": _answer("Server-sent events", {"text/event-stream": {"schema": text}}, "GET"),
        }
        | {str(status): _problem(status, "GET") for status in (400, 403, 429, 431, 500, 503)},
    }
