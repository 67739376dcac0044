/** js-ipfs, offline, on a free port, with its repository in the folder that is the argument. Prints its address. */

import { create } from 'ipfs-core'
import { HttpApi } from 'ipfs-http-server'

const addresses = { Swarm: [], API: '/ip4/127.0.0.1/tcp/0', Gateway: '/ip4/127.0.0.1/tcp/0' }
const node = await create({
  repo: process.argv[2],
  offline: true,
  silent: true,
  init: { profiles: ['test'] },
  config: { Addresses: addresses, Bootstrap: [] }
})
const api = new HttpApi(node)
await api.start()
console.log(api._apiServers[0].info.uri)
process.stdin.resume().on('end', () => process.exit())
