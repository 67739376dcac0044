"""What a request asks: the fields of its path, its query and its JSON body, made into a row's model."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import orjson
from aiohttp import web

from ..schemas.errors import BadRequest
from ..schemas.wire import Wire
from .bodies import media_type_of, whole
from .bridge import Bridge
from .problems import UnsupportedMediaType

__all__ = ["ask_of_path", "ask_of_body", "ask_of_json", "is_json", "json_object", "loose_fields", "merged"]

A = TypeVar("A", bound=Wire)

JSON_HINT = 'send application/json, such as curl --json \'{"field": "value"}\''


def ask_of_path(model: type[A], request: web.Request, own: frozenset[str] = frozenset()) -> A:
    """The model from path and query alone; raises BadRequest naming the field that is wrong."""
    return model.from_fields(loose_fields(model, request, own))


async def ask_of_body(model: type[A], request: web.Request, bridge: Bridge) -> A:
    """The model from path, query and JSON body.

    Raises BadRequest naming the field that is wrong, UnsupportedMediaType, and what `bodies.whole` raises.
    """
    require_json(request)
    async with whole(request, bridge.settings.max_json_bytes, bridge) as body:
        return ask_of_json(model, request, body)


def ask_of_json(model: type[A], request: web.Request, body: bytes) -> A:
    """The model from a JSON body and the path and query around it."""
    loose = loose_fields(model, request)
    return model.from_wire(orjson.dumps(merged(loose, json_object(body))) if loose else body)


def loose_fields(
    model: type[Wire], request: web.Request, own: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The fields of path and query as text; query fields named in `own` are the bridge's and left out."""
    fields: dict[str, Any] = dict(request.match_info)
    if not request.query_string:
        return fields
    query = request.query
    for name in dict.fromkeys(query):
        if name in own:
            continue
        values = query.getall(name)
        if name in fields:
            raise BadRequest(name, "given twice, in the path and in the query")
        if _takes_list(model, name):
            fields[name] = values
        elif len(values) > 1:
            raise BadRequest(name, f"given {len(values)} times in the query", limit=1)
        else:
            fields[name] = values[0]
    return fields


def _takes_list(model: type[Wire], name: str) -> bool:
    field = model.model_fields.get(name)
    return field is not None and _is_list(field.annotation)


def _is_list(annotation: Any) -> bool:
    """Whether a list is meant, or one among other things."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        return any(map(_is_list, get_args(annotation)))
    return get_origin(annotation) is list


def merged(loose: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """Both together; raises BadRequest for a field that both give differently."""
    for name in loose.keys() & body.keys():
        if str(body[name]) != loose[name]:
            raise BadRequest(name, "given twice, in the body and in the path or query")
    return body | {name: value for name, value in loose.items() if name not in body}


def json_object(body: bytes) -> dict[str, Any]:
    """A JSON body as a dict; an empty body is `{}`."""
    try:
        fields = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise BadRequest("body", f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise BadRequest("body", "not a JSON object")
    return fields


def is_json(media_type: str) -> bool:
    return media_type == "application/json" or media_type.endswith("+json")


def require_json(request: web.Request) -> None:
    """Raise UnsupportedMediaType if the request has a body and names another type than JSON for it."""
    given = media_type_of(request)
    if given and not is_json(given) and request.can_read_body:
        raise UnsupportedMediaType(given, JSON_HINT)
