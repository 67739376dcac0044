"""A page of what the journal did lately: one HTML file with drawings inside, stored as content."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import Annotated

from aiohttp import web
from pydantic import Field

from ...schemas.errors import NotSupported
from ...schemas.ipfs import AddRequest
from ...schemas.journaling import JournalStatus, LogRequest, StatusRequest
from ...schemas.subjects import ADD, JOURNAL_LOG, JOURNAL_STATUS
from ...schemas.wire import Reply, Wire
from ..asking import ask_of_body
from ..bridge import Bridge

__all__ = ["Dashboard", "dashboard"]

MAX_ENTRIES = 50_000
COLUMNS = 48
WIDTH, HEIGHT = 720, 160


class DashboardRequest(Wire):
    """`use_monitor` changes nothing: the numbers are the journal's own."""

    timeframe_hours: Annotated[float, Field(gt=0, le=24 * 366)] = 24
    output_dir: Annotated[str | None, Field(max_length=4096)] = None
    use_monitor: bool = True


class Dashboard(Reply):
    """The page's CID and where this bridge serves it; it shows `entries` of the journal, the newest."""

    dashboard_cid: str
    path: str
    timeframe_hours: float
    entries: int
    size_bytes: int


@dataclass(slots=True)
class Activity:
    """Entries by column of time and by state, and operations by type."""

    began: float
    ended: float
    entries: int = 0
    columns: list[int] = field(default_factory=lambda: [0] * COLUMNS)
    types: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)

    def column(self, at: float) -> int:
        return min(COLUMNS - 1, int((at - self.began) / (self.ended - self.began) * COLUMNS))


async def dashboard(bridge: Bridge, request: web.Request) -> Dashboard:
    """Draw the page and store it; raises NotSupported for `output_dir`."""
    ask = await ask_of_body(DashboardRequest, request, bridge)
    if ask.output_dir is not None:
        raise NotSupported(
            "output_dir: the page is stored as content, and its CID answered", field="output_dir"
        )
    activity = await _activity(bridge, ask.timeframe_hours)
    status = await bridge.bus.request(JOURNAL_STATUS, StatusRequest())
    page = _page(activity, status, ask.timeframe_hours)
    added = await bridge.bus.upload(ADD, AddRequest(content=page, filename="journal.html", pin=False))
    return Dashboard(
        dashboard_cid=added.cid, path=f"/ipfs/{added.cid}?filename=journal.html",
        timeframe_hours=ask.timeframe_hours, entries=activity.entries, size_bytes=added.content_size_bytes,
    )  # fmt: skip


async def _activity(bridge: Bridge, hours: float) -> Activity:
    now = time.time()
    found = Activity(now - hours * 3600, now)
    async for entry in bridge.bus.items(JOURNAL_LOG, LogRequest(limit=MAX_ENTRIES)):
        if entry.at < found.began:
            break
        found.entries += 1
        found.columns[found.column(entry.at)] += 1
        found.types.update(entry.operations)
        found.states[entry.status] += 1
    return found


def _page(activity: Activity, status: JournalStatus, hours: float) -> str:
    facts = {
        "Sequence": status.sequence,
        "Root": status.root,
        "Entries": status.total_entries,
        "Completed": status.completed_entries,
        "Failed": status.failed_entries,
        "Rolled back": status.rolled_back_entries,
        "Pending": status.pending_entries,
        "Checkpoints": status.checkpoints,
        "Journal bytes": status.journal_size_bytes,
    }
    rows = "".join(f"<tr><th>{name}<td>{escape(str(value))}" for name, value in facts.items())
    types = "".join(f"<tr><th>{escape(name)}<td>{count}" for name, count in activity.types.most_common())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Journal</title>'
        f"<style>{_STYLE}</style><h1>The journal, last {hours:g} hours</h1>"
        f"<p>{activity.entries} entries{_states(activity)}.</p>{_bars(activity.columns)}"
        f"<h2>Operations</h2><table>{types or '<tr><td>none'}</table><h2>Now</h2><table>{rows}</table>"
    )


def _states(activity: Activity) -> str:
    told = [f"{count} {escape(state.replace('_', ' '))}" for state, count in activity.states.most_common()]
    return f": {', '.join(told)}" if told else ""


def _bars(columns: list[int]) -> str:
    """A column for each span of time, the highest as high as the drawing."""
    top, width = max(columns) or 1, WIDTH / COLUMNS
    bars = "".join(
        f'<rect x="{at * width:.1f}" y="{HEIGHT - count / top * HEIGHT:.1f}" width="{width - 2:.1f}" '
        f'height="{count / top * HEIGHT:.1f}"><title>{count} entries</title></rect>'
        for at, count in enumerate(columns)
        if count
    )
    label = f"at most {top} entries in one of {COLUMNS} columns"
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{bars}</svg>'


_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;"
    "padding:0 1rem}svg{width:100%;border-bottom:1px solid #8888}rect{fill:#0a7d5c}"
    "th{text-align:left;font-weight:normal;opacity:.7;padding-right:2rem;vertical-align:top}"
    "td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}"
)
