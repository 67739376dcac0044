"""The upload routes as they stand in the OpenAPI document."""

from __future__ import annotations

from typing import Any

from ..problems import PROBLEM_TYPE, REASONS

__all__ = ["upload_paths"]

Document = dict[str, Any]

# Not a requestBody: tools that read the document cannot write a media type that only tus has.
BYTES = "The body is bytes, as `application/offset+octet-stream`."
TUS_REASONS = REASONS | {
    412: "Tus-Resumable is missing or names another version than 1.0.0",
    423: "Another request is writing to the upload",
    460: "The bytes are not those of Upload-Checksum; none of them is kept",
}
VERSION = "Tus-Resumable"
ALWAYS = (400, 403, 429, 431, 500, 503, 504)


def upload_paths(prefix: str) -> Document:
    """The paths of tus and of the WebSocket below a prefix."""
    socket = _operation("socket", "An upload over a WebSocket; docs/uploads.md has its messages", 101, ())
    return {
        f"{prefix}/uploads": {
            "post": _operation(
                "create", "Begin an upload by tus; the first bytes may come with it", 201,
                (412, 413, 415, 460, 507),
                (VERSION, "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Checksum"),
                takes_bytes=True,
            ),
            "options": _operation("options", "What this server can of tus", 204, ()),
        },
        f"{prefix}/uploads/ws": {"get": socket, "head": socket | {"operationId": "uploads.socket.head"}},
        f"{prefix}/uploads/{{id}}": {
            "head": _operation("offset", "How far an upload is", 200, (404, 412), (VERSION,), one=True),
            "get": _operation("stat", "How far an upload is, as JSON", 200, (404,), one=True),
            "patch": _operation(
                "append", "The next bytes of an upload", 204, (404, 409, 412, 413, 415, 423, 460, 507),
                (VERSION, "Upload-Offset", "Upload-Length", "Upload-Checksum"),
                one=True, takes_bytes=True,
            ),
            "delete": _operation("cancel", "Give an upload up", 204, (404, 412), (VERSION,), one=True),
            "options": _operation("options.one", "What this server can of tus", 204, (), one=True),
        },
    }  # fmt: skip


def _operation(
    name: str, summary: str, status: int, refusals: tuple[int, ...], headers: tuple[str, ...] = (), *,
    one: bool = False, takes_bytes: bool = False,
) -> Document:  # fmt: skip
    parameters = [_parameter("id", "path", required=True)] if one else []
    parameters += [_parameter(header, "header") for header in headers]
    responses: Document = {str(status): {"description": summary}}
    if name == "stat":
        state = {"$ref": "#/components/schemas/UploadState"}
        responses["200"]["content"] = {"application/json": {"schema": state}}
    for refusal in sorted({*ALWAYS, *refusals}):
        responses[str(refusal)] = {"description": TUS_REASONS[refusal], "content": {PROBLEM_TYPE: {}}}
    described = {"operationId": f"uploads.{name}", "summary": summary, "tags": ["uploads"]}
    body = {"description": BYTES} if takes_bytes else {}
    return {**described, **body, "parameters": parameters, "responses": responses}


def _parameter(name: str, where: str, *, required: bool = False) -> Document:
    return {"name": name, "in": where, "required": required, "schema": {"type": "string"}}
