/** Uploads the file of the second argument to the endpoint of the first with tus-js-client; prints what came of it. */

import { createReadStream } from 'node:fs'
import * as tus from 'tus-js-client'

const [endpoint, path] = process.argv.slice(2)
let retries = 0
const upload = new tus.Upload(createReadStream(path), {
  endpoint,
  metadata: { filename: 'large.bin' },
  retryDelays: Array(240).fill(250),
  onAfterResponse: (request, response) => { if (response.getStatus() >= 400) retries++ },
  onSuccess: ({ lastResponse }) => {
    console.log(JSON.stringify({ url: upload.url, cid: lastResponse.getHeader('Cidbus-Cid'), retries }))
  },
  onError: (error) => {
    console.error(error)
    process.exit(1)
  }
})
upload.start()
