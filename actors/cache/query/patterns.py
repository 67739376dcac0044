"""What a regular expression may cost: RE2 takes time linear in the text, but also in the size of the pattern.

The size is that of the pattern with its counted repetitions written out: (ab){3} is ababab, six characters.
A class is one character, and a Unicode class (\\pL) is 32, for RE2 compiles it to hundreds of ranges.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "MAX_REGEXES", "MAX_REGEX_CHARS", "MAX_REGEX_REPETITIONS", "MAX_REGEX_SIZE",
    "PatternRefused", "check_pattern", "written_out",
]  # fmt: skip

MAX_REGEXES = 32
MAX_REGEX_CHARS = 256
# Repetitions inside repetitions are multiplied.
MAX_REGEX_REPETITIONS = 200
MAX_REGEX_SIZE = 1024
UNICODE_CLASS_SIZE = 32

_TOKEN = re.compile(
    r"""
      (?P<quoted>  \\Q .*? (?: \\E | $ ) )
    | (?P<unicode> \\[pP] (?: \{ [^}]* \} | . )? )
    | (?P<atom>    \\x\{ [^}]* \} | \\. )
    | (?P<set>     \[ \^? \]? (?: \\. | \[: \^? \w+ :\] | [^\]\\] )* \] )
    | (?P<flags>   \(\? [A-Za-z-]* \) )
    | (?P<open>    \( (?: \? (?: P?< \w+ > | [A-Za-z-]* : ) )? )
    | (?P<close>   \) )
    | (?P<count>   \{ (?P<least>\d+) (?: , (?P<most>\d*) )? \} )
    | (?P<repeat>  [*+?] )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)


class PatternRefused(ValueError):
    """Why a pattern is not taken, and the limit that it breaks, if any."""

    def __init__(self, problem: str, limit: int | None = None) -> None:
        super().__init__(problem)
        self.problem, self.limit = problem, limit


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of (a part of) a pattern written out, and its repetitions, nested ones multiplied."""

    size: int = 0
    repetitions: int = 1

    def beside(self, other: Extent) -> Extent:
        return Extent(self.size + other.size, max(self.repetitions, other.repetitions))

    def times(self, count: int) -> Extent:
        return Extent(self.size * count, self.repetitions * count)


def check_pattern(pattern: str) -> None:
    """Raises PatternRefused for what RE2 does not know, and for more than 256 characters, 200 repetitions, or
    1024 characters written out."""
    if len(pattern) > MAX_REGEX_CHARS:
        raise PatternRefused(f"takes at most {MAX_REGEX_CHARS} characters", MAX_REGEX_CHARS)
    extent = written_out(pattern)
    if extent.repetitions > MAX_REGEX_REPETITIONS:
        problem = f"repeats a part at most {MAX_REGEX_REPETITIONS} times, nested repetitions multiplied"
        raise PatternRefused(problem, MAX_REGEX_REPETITIONS)
    if extent.size > MAX_REGEX_SIZE:
        problem = f"takes at most {MAX_REGEX_SIZE} characters with its repetitions written out"
        raise PatternRefused(problem, MAX_REGEX_SIZE)
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        raise PatternRefused(f"is not an RE2 pattern: {reason}") from None


def written_out(pattern: str) -> Extent:
    """What the pattern is with its counted repetitions written out; of a wrong pattern it is a guess."""
    # Of each open group what is complete, and the last part, to which a repetition would apply.
    groups = [(Extent(), Extent())]
    for token in _TOKEN.finditer(pattern):
        done, last = groups[-1]
        match token.lastgroup:
            case "flags" | "repeat":
                continue
            case "open":
                groups.append((Extent(), Extent()))
                continue
            case "count":
                count = max(1, *(int(number) for number in token.group("least", "most") if number))
                groups[-1] = done, last.times(count)
                continue
            case "close" if len(groups) > 1:
                groups.pop()
                inside, (done, last) = done.beside(last), groups[-1]
                part = Extent(max(1, inside.size), inside.repetitions)
            case _:
                part = Extent(_size_of(token))
        groups[-1] = done.beside(last), part
    whole = Extent()
    for done, last in groups:
        whole = whole.beside(done).beside(last)
    return whole


def _size_of(token: re.Match[str]) -> int:
    text = token.group()
    if token.lastgroup == "quoted":
        return len(text)
    return max(1, UNICODE_CLASS_SIZE * len(re.findall(r"\\[pP]", text)))
