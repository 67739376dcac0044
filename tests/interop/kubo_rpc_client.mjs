/** Methods of kubo-rpc-client on the node whose RPC address is the argument. */

import { create } from 'kubo-rpc-client'
import { answerLines } from './lines.mjs'

const url = process.argv[2]
const client = create({ url })

await answerLines((method, args) => {
  if (method === 'command') return command(...args)
  const path = method.split('.')
  const name = path.pop()
  const group = path.reduce((object, part) => object[part], client)
  return group[name](...args)
})

/** A command that the client has no method for. */
async function command (path, args, options = {}) {
  const query = new URLSearchParams(args.map(arg => ['arg', arg]))
  for (const [name, value] of Object.entries(options)) query.append(name.replaceAll('_', '-'), value)
  const response = await fetch(`${url}/${path}?${query}`, { method: 'POST' })
  const body = await response.text()
  if (response.ok) return body === '' ? null : JSON.parse(body)
  const isJson = response.headers.get('Content-Type').startsWith('application/json')
  throw Object.assign(new Error(isJson ? JSON.parse(body).Message : body), { response })
}
