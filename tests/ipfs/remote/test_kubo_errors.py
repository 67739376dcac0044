"""Kubo's sentences, as its source has them and a daemon says them, and what they become here."""

import pytest

from cidbus.actors.ipfs.remote.kubo_errors import kubo_error
from cidbus.schemas.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    Internal,
    InvalidContent,
    NotAFile,
    NotFound,
    NotSupported,
    StorageFull,
    TooLarge,
    Unavailable,
)

SAID = [
    (
        "block was not found locally (offline): ipld: could not find bafyx",
        NotFound,
        {"what": "block", "name": "bafyx"},
    ),
    (
        'walk failed: could not load link "bafyy": ipld: could not find bafyx; other',
        NotFound,
        {"name": "bafyx"},
    ),
    ("blockstore: block not found", NotFound, {"what": "block", "name": "subject"}),
    ("failed to fetch all nodes", NotFound, {"what": "block", "name": "below subject"}),
    ('no link named "nope" under bafyx', NotFound, {"what": "path", "name": "nope"}),
    ("file does not exist", NotFound, {"what": "path", "name": "subject"}),
    ("no key named nokey was found", NotFound, {"what": "key", "name": "nokey"}),
    ("could not resolve name", NotFound, {"what": "name", "name": "subject"}),
    ("routing: not found", NotFound, {"what": "peer"}),
    ("not pinned or pinned indirectly", NotFound, {"what": "pin", "name": "subject"}),
    ("path 'bafyx' is not pinned", NotFound, {"what": "pin", "name": "bafyx"}),
    ("'from' cid was not recursively pinned already", NotFound, {"what": "pin", "name": "subject"}),
    ("pin: bafyx already pinned recursively", Conflict, {}),
    ("bafyx is pinned recursively", Conflict, {}),
    ("'to' cid was already recursively pinned", Conflict, {}),
    ("pinned: recursive", Conflict, {}),
    ("pinned: indirect via bafyx", Conflict, {}),
    ("key with name 'k1' already exists", Conflict, {}),
    ("cp: cannot put node in path /q: directory already has entry by that name", Conflict, {}),
    ("/a is a directory, use -r to remove directories", Conflict, {}),
    ("this command must be run in online mode. Try running 'ipfs daemon' first", NotSupported, {}),
    ("can't publish while offline: pass `--allow-offline` to override", NotSupported, {}),
    ("experimental pubsub feature not enabled, run daemon with --enable-pubsub-experiment", NotSupported, {}),
    ("removed, use 'ipfs dag' or 'ipfs files' instead", NotSupported, {}),
    ("this dag node is a directory", NotAFile, {"cid": "subject", "type": "directory"}),
    ('invalid path "nonsense": path does not have enough components', BadRequest, {"field": "path"}),
    ("/a was not a file", BadRequest, {"field": "path"}),
    ("invalid cid: illegal base32 data", BadRequest, {"field": "cid"}),
    ('unknown multicodec: "zzz"', BadRequest, {"field": "codec"}),
    ("cannot specify negative offset", BadRequest, {"field": "range"}),
    ("cannot create key with name 'self'", BadRequest, {"field": "key"}),
    ("chunker parameters may not exceed the maximum chunk size of 1048576", BadRequest, {"field": "chunker"}),
    (
        "produced block is over 2MiB: big blocks can't be exchanged",
        TooLarge,
        {"field": "block", "limit": 2 << 20},
    ),
    ("signature verification failed", InvalidContent, {"field": "record"}),
    ("record is expired", InvalidContent, {"field": "record"}),
    ("unexpected EOF", InvalidContent, {"field": "content"}),
    ("context deadline exceeded", DeadlineExceeded, {}),
    ("failed to get block: context deadline exceeded: ipld: could not find bafyx", DeadlineExceeded, {}),
    ("write /repo/blocks/x: no space left on device", StorageFull, {}),
    ("context canceled", Unavailable, {}),
    ("something that Kubo has never said", Internal, {}),
]


@pytest.mark.parametrize(("message", "error", "details"), SAID, ids=[said[0][:40] for said in SAID])
def test_a_sentence_of_kubos_becomes_the_error_it_means(message, error, details):
    made = kubo_error("cat", message, subject="subject")
    assert type(made) is error
    assert {name: made.details[name] for name in details} == details
    assert (made.details["kubo"], made.details["command"]) == (message, "cat")


def test_an_error_keeps_no_more_than_a_thousand_characters_and_no_lines():
    error = kubo_error("cat", "two\nlines\t" + "x" * 10_000)
    assert error.message.startswith("Kubo failed at cat: two lines x")
    assert len(error.details["kubo"]) == 1000
