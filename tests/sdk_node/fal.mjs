// Everything that npm `@fal-ai/client` can do with images; prints what it got, by name.
import crypto from "node:crypto";
import http from "node:http";
import { createFalClient } from "@fal-ai/client";

const { HOUSE_URL, HOUSE_KEY, POOR_KEY, PICTURE } = process.env;
const HOSTS = { "queue.fal.run": "queue", "fal.run": "run", "rest.fal.ai": "rest" };
// The documented way to another server: every request passes here.
const requestMiddleware = async (request) => {
  const { host, pathname, search } = new URL(request.url);
  return { ...request, url: host in HOSTS ? `${HOUSE_URL}/fal/${HOSTS[host]}${pathname}${search}` : request.url };
};
const clientOf = (credentials) => createFalClient({ credentials, requestMiddleware });
const fal = clientOf(HOUSE_KEY);
const [dev, kontext, slow, failing] = ["flux/dev", "flux-pro/kontext", "flux/schnell", "flux/krea"].map((id) => `fal-ai/${id}`);
const small = { prompt: "a red boat", image_size: { width: 256, height: 256 } };
const picture = new Blob([Buffer.from(PICTURE, "base64")], { type: "image/png" });
const facts = (error) => ({
  name: error.name, status: error.status, detail: error.body?.detail, type: error.body?.error_type, message: error.message,
  fields: error.getFieldErrors?.("num_images").length,
});
const caught = (promise) => promise.then(() => "no error", facts);

async function subscribed(mode) {
  const seen = [];
  const { data, requestId } = await fal.subscribe(slow, {
    input: small, logs: true, mode, pollInterval: 50, onQueueUpdate: (update) => seen.push(update),
  });
  const logs = seen.flatMap((update) => update.logs ?? []).map((line) => line.message);
  return { seen: [...new Set(seen.map((update) => update.status))], logs, images: data.images.length, named: requestId === seen[0].request_id };
}

async function streamed(endpoint) {
  const stream = await fal.stream(endpoint, { input: small });
  const events = [];
  for await (const event of stream) events.push(event);
  return { events: events.map((event) => event.images?.[0].url.slice(0, 10)), last: await stream.done() };
}

async function polled() {
  const { request_id: requestId } = await fal.queue.submit(dev, { input: { ...small, seed: 7 }, priority: "low" });
  const { status } = await fal.queue.subscribeToStatus(dev, { requestId, pollInterval: 50 });
  return { status, seed: (await fal.queue.result(dev, { requestId })).data.seed };
}

async function cancelled() {
  const { request_id: requestId } = await fal.queue.submit(slow, { input: small });
  await fal.queue.cancel(slow, { requestId });
  await fal.queue.subscribeToStatus(slow, { requestId, pollInterval: 50 });
  return { result: await caught(fal.queue.result(slow, { requestId })), again: await caught(fal.queue.cancel(slow, { requestId })) };
}

// As the vendor's guide to webhooks verifies them.
async function verified(headers, body) {
  const named = (name) => headers[`x-fal-webhook-${name}`];
  if (Math.abs(Date.now() / 1000 - Number(named("timestamp"))) > 300) return false;
  const digest = crypto.createHash("sha256").update(body).digest("hex");
  const message = Buffer.from([named("request-id"), named("user-id"), named("timestamp"), digest].join("\n"));
  const { keys } = await (await fetch(`${HOUSE_URL}/fal/rest/.well-known/jwks.json`)).json();
  const signature = Buffer.from(named("signature"), "hex");
  return keys.some(({ kty, crv, x }) =>
    crypto.verify(null, message, crypto.createPublicKey({ key: { kty, crv, x }, format: "jwk" }), signature));
}

async function told() {
  const messages = [];
  const listener = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => { messages.push({ headers: request.headers, body: Buffer.concat(chunks) }); response.end(); });
  });
  await new Promise((ready) => listener.listen(0, "127.0.0.1", ready));
  const webhookUrl = `http://127.0.0.1:${listener.address().port}/hook?of=fal&x=1`;
  const made = await fal.queue.submit(dev, { input: small, webhookUrl });
  for (let tries = 0; !messages.length && tries < 200; tries += 1) await new Promise((wait) => setTimeout(wait, 50));
  listener.close();
  const [{ headers, body }] = messages;
  return {
    ours: JSON.parse(body).request_id === made.request_id,
    valid: await verified(headers, body),
    forged: await verified(headers, Buffer.from(body.toString().replace("red", "big"))),
  };
}

const poor = clientOf(POOR_KEY);
const nobody = clientOf("fh_wrong");
const url = await fal.storage.upload(picture);
console.log(JSON.stringify({
  made: await fal.run(dev, { input: { ...small, num_images: 2 } }),
  edited: await fal.run(kontext, { input: { prompt: "blue", image_url: picture } }),
  uploaded: { url, made: (await fal.run(`${dev}/image-to-image`, { input: { prompt: "blue", image_url: url } })).data },
  subscribed: await subscribed("polling"),
  followed: await subscribed("streaming"),
  streamed: await streamed(slow),
  broken: await streamed(failing),
  polled: await polled(),
  cancelled: await cancelled(),
  told: await told(),
  errors: {
    field: await caught(fal.run(dev, { input: { ...small, num_images: 9 } })),
    key: await caught(nobody.run(dev, { input: small })),
    credit: await caught(poor.queue.submit(dev, { input: small })),
    model: await caught(fal.run("fal-ai/flux-9", { input: small })),
    failed: await caught(fal.run(failing, { input: small })),
    queued: await caught(fal.subscribe(failing, { input: small, pollInterval: 50 })),
    upload: await caught(fal.storage.upload(new Blob(["text"], { type: "text/plain" }))),
    damaged: await caught(fal.storage.upload(new Blob(["text"], { type: "image/png" }))),
    parts: await caught(fal.storage.upload(new Blob([new Uint8Array(91 << 20)], { type: "image/png" }))),
    missing: await caught(fal.queue.result(dev, { requestId: "00000000-0000-4000-8000-000000000000" })),
  },
}));
