// Sends track calls by @segment/analytics-node: host, write key, how many, and where to write their ids.
import { writeFileSync } from "node:fs"
import { Analytics } from "@segment/analytics-node"

const [host, writeKey, count, ids] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 100, flushInterval: 100 })
const sent = []
analytics.on("error", (error) => {
  console.error(error)
  process.exitCode = 1
})
const delivered = []
for (let number = 0; number < Number(count); number++) {
  const properties = { order_id: `order-${number}`, total: number / 100, number }
  delivered.push(
    new Promise((resolve, reject) =>
      analytics.track({ userId: `user-${number % 50}`, event: "Order Completed", properties }, (error, context) => {
        if (error) return reject(error)
        sent.push(context.event.messageId)
        resolve()
      }),
    ),
  )
}
await Promise.all(delivered)
await analytics.closeAndFlush()
writeFileSync(ids, sent.join("\n"))
