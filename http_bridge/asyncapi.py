"""The AsyncAPI 3.0 document: every subject of the bus, what is said on it and what is answered."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..schemas.rows import Call, Event, Log, Replied, Row, Stream
from ..schemas.subjects import ROWS
from .json_schemas import REFERENCE, Document, references_and_schemas

__all__ = ["asyncapi_document"]

JSON, OCTETS = "application/json", "application/octet-stream"


def asyncapi_document(version: str = "0.0.0") -> Document:
    """The document of all rows. Operations are named from the actors' side: they receive calls and send
    events."""
    asks = [row.ask for row in ROWS if isinstance(row, Call)]
    schemas, components = references_and_schemas(asks, (model for row in ROWS for model in _answers(row)))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "cidbus",
            "version": version,
            "description": "Content by CID over NATS. Streams and uploads are pulled chunk by chunk.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": {"local": {"host": "127.0.0.1:4222", "protocol": "nats"}},
        "channels": {_key(row): _channel(row, schemas) for row in ROWS}
        | {f"{_key(row)}_reply": _reply_channel(row, schemas) for row in ROWS if isinstance(row, Call)},
        "operations": {_key(row): _operation(row) for row in ROWS},
        "components": {"schemas": components | {"Error": _ERROR}},
    }


def _key(row: Row) -> str:
    """A name of the letters that AsyncAPI allows in keys."""
    return row.name.replace(".", "_") + ("_event" if isinstance(row, Event) else "")


def _answers(row: Row) -> list[type[BaseModel]]:
    """The models that come back, or that an event or an entry is."""
    if isinstance(row, Replied):
        return [row.reply]
    if isinstance(row, Event):
        return [row.event]
    if isinstance(row, Log):
        return [row.entry]
    assert isinstance(row, Stream)
    return [model for model in (row.head, row.item) if model is not bytes]


def _channel(row: Row, schemas: dict[Any, Document]) -> Document:
    model = row.ask if isinstance(row, Call) else _answers(row)[0]
    channel: Document = {
        "address": getattr(row, "subject", ""),
        "title": row.name,
        "summary": row.summary,
        "messages": {"body": {"name": row.name, "contentType": JSON, "payload": schemas[model]}},
    }
    if isinstance(row, Call):
        channel["bindings"] = {"nats": {"queue": row.actor, "bindingVersion": "0.1.0"}}
    return channel


def _reply_channel(row: Call[Any], schemas: dict[Any, Document]) -> Document:
    """Where the answer comes: the private subject that the caller puts on its message."""
    error = {
        "name": "error",
        "summary": "An error, marked by the header Nats-Service-Error-Code",
        "contentType": JSON,
        "payload": {"$ref": REFERENCE.format(model="Error")},
    }
    return {
        "address": None,
        "title": f"answers to {row.name}",
        "messages": {"error": error} | _parts(row, schemas),
    }


def _parts(row: Call[Any], schemas: dict[Any, Document]) -> Document:
    if not isinstance(row, Stream):
        reply = next(iter(_answers(row)))
        return {"reply": {"name": "reply", "contentType": JSON, "payload": schemas[reply]}}
    if row.item is bytes:
        chunk = {
            "name": "chunk",
            "summary": f"Bytes; the first may bear a {row.head.__name__}",
            "contentType": OCTETS,
            "payload": {"type": "string", "format": "binary"},
            "headers": {"type": "object", "properties": {"Cidbus-Head": {"type": "string"}}},
        }
        return {"chunk": chunk}
    items = {"type": "array", "items": schemas[row.item]}
    return {"items": {"name": "items", "contentType": JSON, "payload": items}}


def _operation(row: Row) -> Document:
    key = _key(row)
    operation: Document = {
        "action": "send" if isinstance(row, Event | Log) else "receive",
        "channel": {"$ref": f"#/channels/{key}"},
        "summary": row.summary,
        "tags": [{"name": row.actor}, {"name": row.kind}],
        "messages": [{"$ref": f"#/channels/{key}/messages/body"}],
    }
    if isinstance(row, Call):
        operation["reply"] = {
            "address": {"location": "$message.header#/reply-to", "description": "The NATS reply subject"},
            "channel": {"$ref": f"#/channels/{key}_reply"},
        }
    return operation


_ERROR: Document = {
    "type": "object",
    "title": "Error",
    "properties": {
        "code": {"type": "integer", "description": "The HTTP status of the error"},
        "kind": {"type": "string"},
        "message": {"type": "string"},
        "retryable": {"type": "boolean"},
        "details": {"type": "object"},
    },
    "required": ["code", "message", "retryable"],
}
