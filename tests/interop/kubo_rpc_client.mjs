/** Methods of kubo-rpc-client on the node whose RPC address is the argument. */

import { create } from 'kubo-rpc-client'
import { answerLines } from './lines.mjs'

const client = create({ url: process.argv[2] })

await answerLines((method, args) => {
  const path = method.split('.')
  const name = path.pop()
  const group = path.reduce((object, part) => object[part], client)
  return group[name](...args)
})
