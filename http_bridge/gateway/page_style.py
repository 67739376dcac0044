"""How the gateway's pages look: a style sheet with its icons inside, and the policy that allows no more."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import quote

__all__ = ["CONTENT_POLICY", "FAVICON", "STYLE"]


def _svg(shapes: str, colour: str, width: float = 1.6) -> str:
    """An icon of 24 by 24 as a data URL."""
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="{colour}" '
        f'stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round">'
        f"{shapes.replace('#000', colour)}</svg>"
    )
    return "data:image/svg+xml," + quote(drawn, safe=" =:/;,")


_SHEET = '<path d="M6 3h8l4.5 4.5V21H6z"/><path d="M14 3v5h4.5"/>'
_FRAME = '<rect x="3.5" y="5" width="17" height="14" rx="2"/>'
# The class of an entry -> the shapes of its icon. What is black here has the class's colour: these are images
# and not masks, because a browser lays out 100,000 masks one by one.
_ICONS = {
    "d": '<path fill="#000" d="M3 6.5A1.5 1.5 0 0 1 4.5 5h4.7l2 2.5h8.3A1.5 1.5 0 0 1 21 9v8.5'
    'a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 17.5z"/>',
    "u": '<path d="M9 7 4.5 11.5 9 16"/><path d="M5 11.5h9.5a5 5 0 0 1 5 5V18"/>',
    "f": _SHEET,
    "t": _SHEET + '<path d="M9 12h6M9 15h6M9 18h3"/>',
    "x": _SHEET + '<path d="m10.5 12.5-2 2.5 2 2.5M14 12.5l2 2.5-2 2.5"/>',
    "i": _FRAME + '<circle cx="9" cy="10" r="1.6"/><path d="m4 17.5 5-4.5 3.5 3 3-2.5 5 4"/>',
    "v": _FRAME + '<path d="m10 9 5 3-5 3z" fill="#000"/>',
    "a": '<path d="M9 17.5V6l10-2v11.5"/><ellipse cx="6.5" cy="17.5" rx="2.5" ry="2"/>'
    '<ellipse cx="16.5" cy="15.5" rx="2.5" ry="2"/>',
    "z": '<rect x="4" y="4" width="16" height="16" rx="2"/><path d="M12 4v2M12 8v2M12 12v1"/>'
    '<rect x="10.5" y="14" width="3" height="3.5" rx="1"/>',
    "l": '<path d="M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7l-1.3 1.3"/>'
    '<path d="M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7l1.3-1.3"/>',
}
FAVICON = _svg(
    '<path d="M12 2.5 20.5 7v10L12 21.5 3.5 17V7z" fill="#0a7d5c"/>'
    '<path d="M3.5 7 12 11.5 20.5 7M12 11.5v10"/>',
    "#fff",
    1.2,
)

# Class -> its colour on light and on dark ground.
_COLOURS = {
    "d": ("#c98a16", "#e5b455"),
    "i": ("#8a4fc4", "#bd92ea"),
    "v": ("#c2416b", "#f08bab"),
    "a": ("#2673c9", "#7db6f3"),
    "x": ("#0b7f8a", "#5cc7d1"),
    "z": ("#9a6a35", "#cfa56f"),
}
_PLAIN = ("#5d6b65", "#94a39c")


def _icons(ground: int) -> str:
    drawn = {kind: _svg(shapes, _COLOURS.get(kind, _PLAIN)[ground]) for kind, shapes in _ICONS.items()}
    return "".join(f'.{kind} {{ background-image: url("{image}"); }}\n' for kind, image in drawn.items())


STYLE = (
    """
:root { --back: #f6f8f7; --card: #fff; --text: #1b2420; --soft: #5d6b65; --line: #e2e8e5; --hover: #f0f6f3;
  --accent: #08704f; }
@media (prefers-color-scheme: dark) { :root { --back: #101513; --card: #171e1b; --text: #e4ebe7;
  --soft: #94a39c; --line: #28322d; --hover: #1e2824; --accent: #55cfa5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 2rem 1.25rem 3rem; background: var(--back);
  color: var(--text); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; text-underline-offset: .2em; }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
header { display: grid; grid-template-columns: 1fr auto; gap: .2rem 1.5rem; align-items: end;
  padding: 0 .25rem 1rem; }
h1 { grid-column: 1 / -1; margin: 0; font-size: 1.3rem; line-height: 1.35; overflow-wrap: anywhere; }
.path { font-weight: 500; color: var(--soft); }
.path a { unicode-bidi: isolate; margin: 0 .12em; }
.path a:first-child { display: inline-block; margin-right: 0; max-width: 12ch; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom; }
.path a:last-child { color: var(--text); font-weight: 650; }
header p { margin: 0; font-size: .85rem; color: var(--soft); display: flex; flex-wrap: wrap; gap: 0 1.2rem; }
code, .ipfs-hash { font-family: ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; font-size: .93em; }
code { overflow-wrap: anywhere; }
nav { display: flex; gap: .4rem; font-size: .85rem; }
nav a { padding: .15rem .7rem; border: 1px solid var(--line); border-radius: 99px; background: var(--card);
  color: inherit; white-space: nowrap; }
nav a:hover { border-color: var(--accent); color: var(--accent); text-decoration: none; }
table { width: 100%; table-layout: fixed; border-collapse: separate; border-spacing: 0;
  background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: clip; }
th { position: sticky; top: 0; z-index: 1; background: var(--card); text-align: left; font-size: .78rem;
  font-weight: 600; color: var(--soft); padding: .6rem 1rem; }
td { border-top: 1px solid var(--line); padding: .45rem 1rem; vertical-align: baseline; }
tr:hover td { background-color: var(--hover); }
td:first-child { padding-left: 2.9rem; overflow-wrap: anywhere;
  background-position: 1rem .55rem; background-size: 1.3rem; background-repeat: no-repeat; }
td:first-child a { color: inherit; unicode-bidi: isolate; white-space: pre-wrap; }
td:first-child a:hover { color: var(--accent); }
.d a { font-weight: 550; }
.c { width: 9.5rem; } .s { width: 7.5rem; }
.s, .c { white-space: nowrap; color: var(--soft); }
td.s, td.c { font-size: .88rem; }
.s { text-align: right; font-variant-numeric: tabular-nums; }
.ipfs-hash { color: inherit; }
pre { margin: 0; padding: 1rem 1.2rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 12px; font: .88rem/1.6 ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
pre b { font-weight: 600; } pre i { font-style: normal; color: var(--soft); }
footer { padding: .9rem .25rem; font-size: .85rem; color: var(--soft); }
@media (max-width: 40rem) { body { padding: 1.2rem .75rem; } .c { display: none; } .s { width: 6rem; }
  header { grid-template-columns: 1fr; } td, th { padding-left: .8rem; padding-right: .8rem; }
  nav { margin-top: .4rem; } }
@media print { body { background: none; } nav { display: none; } th { position: static; } }
"""
    + _icons(0)
    + f"@media (prefers-color-scheme: dark) {{\n{_icons(1)}}}\n"
)

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:; base-uri 'none'; form-action 'none'"
)
