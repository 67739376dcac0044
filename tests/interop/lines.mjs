/**
 * One JSON line in, one JSON line out: how a Python test calls a JavaScript client.
 *
 *   {"method": "block.put", "args": [{"/": {"bytes": "aGk="}}]}
 *   {"value": {"/": "bafk…"}, "calls": [[0, [12]]]}   or   {"error": {"name": …, "message": …, "status": …}}
 *
 * Values that JSON lacks are written as DAG-JSON writes them: CIDs as {"/": "bafy…"} and bytes as
 * {"/": {"bytes": base64}}. {"/": {"function": 0}} stands for a callback: `calls` says that it was called, and with
 * what. What a method yields comes back as a list.
 */

import { createInterface } from 'node:readline'
import { CID } from 'kubo-rpc-client'

/** Answer each line with what `call(method, args)` returns, until there are no more. */
export async function answerLines (call) {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(call, JSON.parse(line))))
  }
}

async function answer (call, { method, args }) {
  const calls = []
  try {
    const value = await call(method, args.map(argument => revive(argument, calls)))
    return { value: write(await collected(value)), calls: write(calls) }
  } catch (error) {
    const { name, message, code, response } = error
    return { error: { name, message, code, status: response?.status } }
  }
}

async function collected (value) {
  if (value?.[Symbol.asyncIterator] == null) return value
  const items = []
  for await (const item of value) items.push(item)
  return items
}

function revive (value, calls) {
  if (value === null || typeof value !== 'object') return value
  if (Array.isArray(value)) return value.map(item => revive(item, calls))
  const special = value['/']
  if (typeof special === 'string') return CID.parse(special)
  if (special?.bytes !== undefined) return new Uint8Array(Buffer.from(special.bytes, 'base64'))
  if (special?.function !== undefined) return (...given) => { calls.push([special.function, given]) }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revive(item, calls)]))
}

function write (value) {
  if (value === undefined || value === null) return null
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'object') return value
  if (value instanceof Uint8Array) return { '/': { bytes: Buffer.from(value).toString('base64') } }
  if (CID.asCID(value) != null) return { '/': CID.asCID(value).toString() }
  if (Array.isArray(value)) return value.map(write)
  if (value.toString !== Object.prototype.toString) return value.toString() // a multiaddr, a peer's id
  const kept = Object.entries(value).filter(([, item]) => item !== undefined && typeof item !== 'function')
  return Object.fromEntries(kept.map(([key, item]) => [key, write(item)]))
}
