/** @helia/verified-fetch with the gateway that is the argument as its only source and router. */

import { createVerifiedFetch } from '@helia/verified-fetch'
import { answerLines } from './lines.mjs'

const gateway = process.argv[2]
const local = { allowInsecure: true, allowLocal: true }
const quiet = { addresses: { listen: [] }, peerDiscovery: [] } // a peer that nobody hears of and that dials nobody
const fetch = await createVerifiedFetch({ gateways: [gateway], routers: [gateway], libp2pConfig: quiet, ...local })

await answerLines(async (_, [resource, options]) => {
  const response = await fetch(resource, { ...local, ...options })
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer())
  }
})
await fetch.stop()
process.exit()
