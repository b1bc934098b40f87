// A page that sends track calls by @segment/analytics-next, in jsdom, whose XMLHttpRequest asks the relay for
// permission as a browser does: relay, write key, how many, where to write their ids, delivery strategy.
import { writeFileSync } from "node:fs"
import { JSDOM } from "jsdom"

const [relay, writeKey, count, ids, strategy] = process.argv.slice(2)
const page = new JSDOM("<!doctype html><title>Shop</title>", { url: "https://www.shop.example/cart", pretendToBeVisual: true })
delete globalThis.fetch // else Node's is used, which knows no origin
globalThis.window = globalThis.self = page.window
for (const name of ["document", "location", "localStorage", "sessionStorage", "XMLHttpRequest", "Event", "CustomEvent"])
  globalThis[name] = page.window[name]
Object.defineProperty(globalThis, "navigator", { value: page.window.navigator, configurable: true })

const { AnalyticsBrowser } = await import("@segment/analytics-next")
const delivery = { "Segment.io": { deliveryStrategy: { strategy, config: { size: 20, timeout: 50 } } } }
const analytics = AnalyticsBrowser.load({ writeKey, cdnURL: relay }, { integrations: delivery })
analytics.on("error", (error) => {
  console.error(error)
  process.exitCode = 1
})
const sent = []
await analytics.identify("user-17", { email: "ada@example.com" })
for (let number = 0; number < Number(count); number++) {
  const context = await analytics.track("Product Added", { number })
  sent.push(context.event.messageId)
}
await new Promise((done) => setTimeout(done, 1000)) // the last batch
writeFileSync(ids, sent.join("\n"))
page.window.close()
