"""How answers are sent: headers, lines, and errors of answers that have begun."""

from __future__ import annotations

import os

from .conftest import HELLO, HELLO_CID


async def broken_file(rpc) -> tuple[str, str]:
    """A file whose last block is missing: its CID, and the block's."""
    content = os.urandom(5_000_000)
    root = (await rpc.add({"f": content}, pin=False))[0]["Hash"]
    blocks = [line["Ref"] for line in (await rpc("refs", root)).lines]
    assert (await rpc("block/rm", blocks[-1])).lines == [{"Hash": blocks[-1]}]
    return root, blocks[-1]


async def test_one_value_is_one_line_of_json(rpc):
    answer = await rpc("version")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Server"] == "kubo/0.39.0"
    assert "X-Chunked-Output" not in answer.headers
    assert answer.body.endswith(b"}\n")


async def test_many_values_are_chunked_lines(rpc):
    answer = await rpc("refs/local")
    assert answer.headers["X-Chunked-Output"] == "1"
    assert answer.headers["Trailer"] == "X-Stream-Error"
    assert answer.headers["Transfer-Encoding"] == "chunked"


async def test_bytes_are_a_stream_with_their_length(rpc):
    await rpc.add({"a": HELLO})
    answer = await rpc("cat", HELLO_CID)
    assert answer.headers["X-Stream-Output"] == "1"
    assert answer.headers["X-Content-Length"] == "12"
    assert answer.headers["Content-Type"] == "text/plain"


async def test_an_error_after_the_first_bytes_goes_into_the_trailer(rpc):
    root, missing = await broken_file(rpc)
    request = f"POST /api/v0/cat?arg={root} HTTP/1.1\nHost: localhost\nConnection: close\n\n"
    head, body = await rpc.raw(request)
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert b"Trailer: X-Stream-Error" in head
    end = body[body.rindex(b"\r\n0\r\n") + 5 :]
    words = f"block was not found locally (offline): ipld: could not find {missing}"
    assert end == f"X-Stream-Error: {words}\r\n\r\n".encode()


async def test_a_connection_goes_on_after_a_trailer(rpc):
    root, _ = await broken_file(rpc)
    request = f"POST /api/v0/cat?arg={root} HTTP/1.1\nHost: localhost\n\n"
    after = "POST /api/v0/version HTTP/1.1\nHost: localhost\nConnection: close\n\n"
    _, body = await rpc.raw(request + after)
    rest = body[body.rindex(b"X-Stream-Error") :]
    assert b'"Version":"0.39.0"' in rest


async def test_http_1_0_has_no_trailers_so_the_answer_breaks_off(rpc):
    root, _ = await broken_file(rpc)
    try:
        _, body = await rpc.raw(f"POST /api/v0/cat?arg={root} HTTP/1.0\nHost: localhost\n\n")
    except ConnectionResetError:
        return
    assert len(body) < 5_000_000


async def test_an_error_before_the_first_byte_is_an_error_answer(rpc):
    root, missing = await broken_file(rpc)
    answer = await rpc("cat", root, offset=4_999_999)
    assert answer.status == 500
    assert answer.error == f"block was not found locally (offline): ipld: could not find {missing}"


async def test_a_line_in_which_a_command_fails_ends_the_list_with_a_trailer(rpc):
    boundary = "--b\nContent-Disposition: form-data; name=f; filename=f\n\n"
    body = (boundary + "hello\n" + boundary).replace("\n", "\r\n").encode() + bytes(3 << 20)
    head = (
        "POST /api/v0/block/put HTTP/1.1\nHost: localhost\nConnection: close\n"
        f"Content-Type: multipart/form-data; boundary=b\nContent-Length: {len(body)}\n\n"
    )
    _, answer = await rpc.raw(head, body)
    assert b'"Key":"bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"' in answer
    assert b"X-Stream-Error: data: more than 2097152 bytes" in answer
