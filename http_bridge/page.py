"""The page at `/docs`: a reader of `openapi.json` that needs nothing from anywhere else."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["CONTENT_POLICY", "PAGE"]

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #0a7d5c; }
@media (prefers-color-scheme: dark) { :root { --accent: #4cc9a0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.6rem; } h1 small { font-weight: normal; opacity: .6; font-size: 1rem; }
h2 { margin: 2rem 0 .5rem; font-size: 1.1rem; } h2 small { font-weight: normal; opacity: .7; }
h3 { margin: 1rem 0 .3rem; font-size: .85rem; text-transform: uppercase; letter-spacing: .05em; opacity: .7; }
input { width: 100%; margin: 1rem 0 0; padding: .5rem .7rem; font: inherit; border: 1px solid var(--line);
  border-radius: 6px; background: transparent; color: inherit; }
details { border: 1px solid var(--line); border-radius: 6px; margin: .4rem 0; }
details[open] > summary { border-bottom: 1px solid var(--line); }
summary { padding: .45rem .7rem; cursor: pointer; display: flex; gap: .7rem; align-items: baseline;
  flex-wrap: wrap; }
summary b { font: 600 .8rem ui-monospace, monospace; color: var(--accent); min-width: 3rem; }
summary code { font-size: .9rem; overflow-wrap: anywhere; } summary span { opacity: .7; }
details > div { padding: .2rem .9rem .9rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td { border-top: 1px solid var(--line); padding: .3rem .6rem .3rem 0; vertical-align: top; }
td:first-child { font-family: ui-monospace, monospace; white-space: nowrap; }
pre { background: var(--soft); border-radius: 6px; padding: .7rem; margin: .3rem 0; overflow-x: auto;
  font-size: .85rem; }
.try { position: relative; } .try button { position: absolute; right: .5rem; top: .5rem; font: inherit;
  font-size: .75rem; border: 1px solid var(--line); border-radius: 4px; background: Canvas;
  color: inherit; cursor: pointer; }
a { color: var(--accent); }
"""

_SCRIPT = """
const el = (tag, text, ...children) => {
  const node = document.createElement(tag);
  if (text) node.textContent = text;
  node.append(...children);
  return node;
};
const prose = (tag, text) => {
  const node = el(tag);
  (text || "").split("`").forEach((part, at) => node.append(at % 2 ? el("code", part) : part));
  return node;
};
const quote = text => "'" + text.replaceAll("'", "'\\\\''") + "'";
let doc;
const resolve = thing => thing && thing.$ref
  ? thing.$ref.slice(2).split("/").reduce((at, part) => at[part], doc) : thing;
const typeOf = schema => {
  schema = resolve(schema) || {};
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  if (schema.type === "array") return "list of " + typeOf(schema.items);
  return schema.title && schema.properties ? schema.title : schema.type || "anything";
};
const limits = schema => [["minimum", ">="], ["maximum", "<="], ["exclusiveMinimum", ">"],
  ["maxLength", "length <="]].filter(([key]) => schema[key] !== undefined)
  .map(([key, sign]) => sign + " " + schema[key]).join(", ");
const fields = schema => {
  schema = resolve(schema) || {};
  const parts = schema.allOf ? schema.allOf.map(resolve) : [schema];
  return parts.flatMap(part => Object.entries(part.properties || {}).map(([name, field]) =>
    [name, field, (part.required || []).includes(name)]));
};
const table = rows => {
  const body = el("table");
  for (const [name, schema, required, text] of rows) {
    const found = resolve(schema) || {};
    const preset = found.default ?? null;
    const facts = [typeOf(schema), required ? "required" : "", limits(found),
      preset === null ? "" : "default " + JSON.stringify(preset)];
    body.append(el("tr", "", el("td", name), el("td", facts.filter(Boolean).join(", ")),
      prose("td", text || found.description)));
  }
  return body;
};
const example = (name, schema) => {
  schema = resolve(schema) || {};
  if (schema.examples) return schema.examples[0];
  if (schema.default !== undefined && schema.default !== null) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (name.includes("cid")) return "bafkqaaa";
  const type = schema.type || ((schema.anyOf || [])[0] || {}).type;
  return { integer: 1, number: 1, boolean: true, array: [], object: {} }[type] ?? name;
};
const curl = (method, path, op) => {
  let url = location.origin + path.replace(/{(\\w+)}/g, (_, name) => {
    const found = (op.parameters || []).find(p => p.name === name);
    return encodeURIComponent(example(name, found && found.schema));
  });
  const lines = ["curl " + (method === "head" ? "-I " : "") + quote(url)];
  if (method === "get" && op.operationId === "events") lines.push("-N -H 'Accept: text/event-stream'");
  const body = op.requestBody && op.requestBody.content["application/json"];
  if (body) {
    const all = fields(body.schema);
    const needed = all.filter(([, , required]) => required);
    const shown = needed.length ? needed : all.filter(([name]) => name === "content");
    const value = Object.fromEntries(shown.map(([name, schema]) =>
      [name, name === "content" ? "hello" : example(name, schema)]));
    lines.push("--json " + quote(JSON.stringify(value)));
  }
  return lines.join(" \\\\\\n  ");
};
const operation = (method, path, op) => {
  const box = el("details");
  box.id = op.operationId;
  box.append(el("summary", "", el("b", method.toUpperCase()), el("code", path), el("span", op.summary)));
  const inside = prose("div", op.description);
  const command = curl(method, path, op);
  const copy = el("button", "copy"), shown = el("div", "", el("pre", command));
  shown.className = "try";
  shown.append(copy);
  copy.onclick = () => navigator.clipboard.writeText(command).then(() => { copy.textContent = "copied"; });
  inside.append(el("h3", "Try it"), shown);
  if ((op.parameters || []).length) {
    inside.append(el("h3", "Parameters"), table(op.parameters.map(p =>
      [p.name, p.schema, p.required, [p.in, p.description].filter(Boolean).join(": ")])));
  }
  for (const [type, media] of Object.entries((op.requestBody || { content: {} }).content)) {
    const known = fields(media.schema);
    inside.append(el("h3", "Body: " + type), known.length ? table(known) : el("div", "The bytes themselves"));
  }
  for (const [status, given] of Object.entries(op.responses).filter(([code]) => code < 300)) {
    const answer = resolve(given);
    inside.append(el("h3", "Answer " + status), prose("div", answer.description));
    const json = (answer.content || {})["application/json"];
    if (json && json.schema) inside.append(table(fields(json.schema)));
  }
  const problem = { type: "application/problem+json" };
  inside.append(el("h3", "Problems"), table(Object.entries(op.responses).filter(([code]) => code >= 400)
    .map(([code, given]) => [code, problem, false, resolve(given).description])));
  box.append(inside);
  return box;
};
const show = () => {
  const title = el("h1", doc.info.title + " ");
  title.append(el("small", doc.info.version));
  const search = el("input");
  search.placeholder = "Search paths and summaries";
  search.oninput = () => {
    for (const box of document.querySelectorAll("details")) {
      box.hidden = !box.firstChild.textContent.toLowerCase().includes(search.value.toLowerCase());
    }
  };
  document.body.replaceChildren(title, el("div", doc.info.summary), search);
  for (const tag of doc.tags) {
    const found = Object.entries(doc.paths).flatMap(([path, item]) => Object.entries(item)
      .filter(([method, op]) => method !== "head" && op.tags.includes(tag.name))
      .map(([method, op]) => operation(method, path, op)));
    if (!found.length) continue;
    const head = el("h2", tag.name + " ");
    head.append(el("small", tag.description));
    document.body.append(head, ...found);
  }
  const chosen = document.getElementById(location.hash.slice(1));
  if (chosen) { chosen.open = true; chosen.scrollIntoView(); }
};
fetch("openapi.json").then(answer => answer.json()).then(found => { doc = found; show(); })
  .catch(error => { document.body.textContent = "openapi.json could not be read: " + error; });
"""

PAGE = f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>cidbus: HTTP interface</title>
<style>{_STYLE}</style>
<body>Reading <a href="openapi.json">openapi.json</a> …
<script>{_SCRIPT}</script>
</html>
""".encode()


def _hash(source: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() + "'"


# The page may run its own script and style and read the document beside it, and nothing else.
CONTENT_POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src {_hash(_SCRIPT)}; style-src {_hash(_STYLE)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
