// Sends a webhook that is signed by the Standard Webhooks specification. Needs Node 18 or later, and nothing else.
import { createHmac } from "node:crypto";

// The headers of a body. `id` is the same whenever the same thing is told again; `secret` is whsec_ and base64.
export function sign(secret, id, body, now = new Date()) {
  const timestamp = Math.floor(now.getTime() / 1000).toString();
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signature = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}

// Throws when the relay does not take it: then let your event bus or job queue try again.
export async function send(url, secret, id, type, data) {
  const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
  const headers = { "content-type": "application/json", ...sign(secret, id, body) };
  const answer = await fetch(url, { method: "POST", headers, body });
  if (!answer.ok) throw new Error(`the relay answers ${answer.status}`);
}
