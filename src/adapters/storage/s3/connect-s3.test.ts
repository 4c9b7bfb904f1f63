import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connectS3 } from './connect-s3.ts'

test('connectS3() goes by way of the proxy, but for what that leaves out', async (context) => {
  const asked: string[] = []
  const proxy = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.end('<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>')
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  context.after(() => proxy.close().closeAllConnections())
  const { port } = proxy.address() as AddressInfo
  const list = async (endpoint: string) => {
    const { s3 } = await connectS3({
      bucket: 'images',
      endpoint,
      region: 'us-east-1',
      pathStyle: true,
      urlTtlMs: 60_000,
      proxies: { http_proxy: `http://127.0.0.1:${port}`, no_proxy: '127.0.0.1' },
    })
    context.after(() => s3.destroy())
    await s3.listObjectsV2({ Bucket: 'images' })
  }
  context.mock.property(process, 'env', {
    ...process.env,
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'secret',
  })

  await list('http://bucket.example:9000')
  await list(`http://127.0.0.1:${port}`)

  assert.deepEqual(asked, [
    'http://bucket.example:9000/images/?list-type=2',
    '/images/?list-type=2',
  ])
})
