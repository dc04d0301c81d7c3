// Everything that npm `replicate` can do with images; prints what it got, by name.
import http from "node:http";
import Replicate, { parseProgressFromLogs, validateWebhook } from "replicate";

const { HOUSE_URL, HOUSE_KEY, POOR_KEY, PICTURE } = process.env;
const client = new Replicate({ auth: HOUSE_KEY, baseUrl: `${HOUSE_URL}/v1` });
const [dev, kontext, slow] = ["flux-dev", "flux-kontext-dev", "flux-schnell"].map((name) => `black-forest-labs/${name}`);
const picture = Buffer.from(PICTURE, "base64");
const small = { prompt: "a red boat", megapixels: "0.25", output_format: "jpg" };
const facts = (error) => ({ name: error.name, status: error.response?.status, message: error.message });
const caught = (promise) => promise.then(() => "no error", facts);
const run = (name, input, more) => client.run(name, { input: { ...small, ...input }, ...more });

async function streamed(name, input) {
  const events = [];
  for await (const event of client.stream(name, { input: { ...small, ...input } })) {
    const content = event.event === "output" ? await event.data.blob() : event.data;
    events.push([event.event, content.size > 0 ? "bytes" : content]);
  }
  return events;
}

async function told() {
  const messages = [];
  const listener = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => { body += chunk; });
    request.on("end", () => { messages.push({ headers: request.headers, body }); response.end(); });
  });
  await new Promise((ready) => listener.listen(0, "127.0.0.1", ready));
  const webhook = `http://127.0.0.1:${listener.address().port}/hook?token=1`;
  const made = await client.predictions.create({
    model: slow, input: { ...small, num_inference_steps: 1 }, webhook, webhook_events_filter: ["start", "completed"],
  });
  for (let tries = 0; messages.length < 2 && tries < 200; tries += 1) await new Promise((wait) => setTimeout(wait, 50));
  listener.close();
  const { key } = await client.webhooks.default.secret.get();
  const found = [];
  for (const { headers, body } of messages) {
    const forged = { headers, body: body.replace("a red boat", "a red moat") };
    found.push({
      ours: JSON.parse(body).id === made.id, status: JSON.parse(body).status,
      valid: await validateWebhook({ headers, body }, key), forged: await validateWebhook(forged, key),
    });
  }
  return found;
}

async function waited() {
  const made = await client.predictions.create({ model: slow, input: small });
  const seen = new Set([made.status]);
  const ended = await client.wait(made, { interval: 50 }, ({ status, logs }) => {
    seen.add(status);
    if (parseProgressFromLogs(logs)) seen.add("progress");
    return false;
  });
  return { seen: [...seen], last: ended.status, progress: parseProgressFromLogs(ended.logs) };
}

async function cancelled() {
  const made = await client.predictions.create({ model: slow, input: small });
  return (await client.predictions.cancel(made.id)).status;
}

const version = (await client.models.get("black-forest-labs", "flux-dev")).latest_version.id;
const file = await client.files.create(picture, { from: "node" });
const poor = new Replicate({ auth: POOR_KEY, baseUrl: `${HOUSE_URL}/v1` });
const nobody = new Replicate({ auth: "fh_wrong", baseUrl: `${HOUSE_URL}/v1` });
console.log(JSON.stringify({
  made: await run(dev, { num_outputs: 2 }),
  byVersion: await run(`${dev}:${version}`, {}),
  edited: await run(kontext, { input_image: picture, megapixels: undefined }),
  varied: await run(dev, { image: new Blob([picture], { type: "image/png" }), prompt_strength: 0.5 }),
  polled: await run(slow, {}, { wait: { mode: "poll", interval: 50 } }),
  overtime: await run(slow, {}, { wait: { mode: "block", timeout: 1 } }),
  waited: await waited(),
  cancelled: await cancelled(),
  streamed: await streamed(dev, { num_outputs: 2 }),
  told: await told(),
  file: { ...file, listed: (await client.files.list()).results.length, same: (await client.files.get(file.id)).id === file.id },
  removed: await client.files.delete(file.id),
  models: (await client.models.list()).results.map(({ owner, name }) => `${owner}/${name}`),
  found: (await client.models.search("kontext")).results.length,
  versions: (await client.models.versions.list("black-forest-labs", "flux-dev")).results.map(({ id }) => id === version),
  predictions: (await client.predictions.list()).results.length,
  account: (await client.accounts.current()).type,
  errors: {
    field: await caught(run(dev, { num_outputs: 9 })),
    version: await caught(client.run(`${dev}:${"0".repeat(64)}`, { input: small })),
    model: await caught(run("black-forest-labs/flux-9", {})),
    missing: await caught(client.predictions.get("00000000000000000000000000")),
    file: await caught(client.files.get(file.id)),
    key: await caught(nobody.accounts.current()),
    credit: await caught(poor.run(dev, { input: small })),
    failed: await caught(run("black-forest-labs/flux-krea-dev", {})),
    unserved: await caught(run("black-forest-labs/flux-pro", { megapixels: undefined })),
    stream: await caught(streamed("black-forest-labs/flux-krea-dev", {})),
  },
}));
