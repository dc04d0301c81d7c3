// Everything that npm `openai` can do with images; prints what it got, by name.
import OpenAI, { toFile } from "openai";

const { HOUSE_URL, HOUSE_KEY, POOR_KEY, PICTURE, MASK } = process.env;
const client = new OpenAI({ apiKey: HOUSE_KEY, baseURL: `${HOUSE_URL}/v1`, maxRetries: 0 });
const small = { prompt: "a red boat", size: "256x256" };
const file = (text, name) => toFile(Buffer.from(text, "base64"), name, { type: "image/png" });
const facts = (error) => ({ name: error.constructor.name, status: error.status, code: error.code, param: error.param });
const caught = (promise) => promise.then(() => "no error", facts);
const typesOf = async (stream) => {
  const types = [];
  for await (const event of stream) types.push(event.type);
  return types;
};

const made = await client.images.generate({ model: "flux-dev", n: 2, ...small });
const inBase64 = await client.images.generate({ model: "flux-dev", response_format: "b64_json", ...small });
const edited = await client.images.edit({
  model: "flux-kontext-dev", prompt: "blue", image: await file(PICTURE, "a.png"), response_format: "b64_json",
});
const both = await client.images.edit({
  model: "gpt-image-1", prompt: "both", image: [await file(PICTURE, "a.png"), await file(PICTURE, "b.png")],
});
const masked = await client.images.edit({
  model: "gpt-image-1", prompt: "a hat", image: await file(PICTURE, "a.png"), mask: await file(MASK, "m.png"), ...small,
});
const streamed = await typesOf(
  await client.images.generate({ model: "flux-schnell", stream: true, partial_images: 1, ...small }),
);
const models = [];
for await (const model of client.models.list()) models.push(model.id);

const poor = new OpenAI({ apiKey: POOR_KEY, baseURL: `${HOUSE_URL}/v1`, maxRetries: 0 });
const nobody = new OpenAI({ apiKey: "fh_wrong", baseURL: `${HOUSE_URL}/v1`, maxRetries: 0 });

console.log(JSON.stringify({
  made: made.data.map((image) => image.url),
  inBase64: inBase64.data[0].b64_json,
  edited: edited.data[0].b64_json,
  both: both.data[0].b64_json,
  masked: masked.data[0].b64_json,
  streamed,
  models,
  model: await client.models.retrieve("flux-dev"),
  errors: {
    field: await caught(client.images.generate({ model: "flux-dev", ...small, n: 5 })),
    key: await caught(nobody.images.generate({ model: "flux-dev", ...small })),
    credit: await caught(poor.images.generate({ model: "flux-dev", ...small })),
    model: await caught(client.images.generate({ model: "flux-9", ...small })),
    failed: await caught(client.images.generate({ model: "flux-krea-dev", ...small })),
    stream: await caught(client.images.generate({ model: "flux-krea-dev", stream: true, ...small }).then(typesOf)),
    timeout: await caught(client.images.generate({ model: "flux-schnell", ...small }, { timeout: 300 })),
  },
}));
