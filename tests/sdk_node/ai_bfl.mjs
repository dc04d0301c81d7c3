// Images through the AI SDK's Black Forest Labs provider; prints what it got, by name.
import { createBlackForestLabs } from "@ai-sdk/black-forest-labs";
import { generateImage } from "ai";

const { HOUSE_URL, HOUSE_KEY, POOR_KEY, PICTURE, MASK } = process.env;
const asked = (model, more, apiKey = HOUSE_KEY) => {
  const bfl = createBlackForestLabs({ apiKey, baseURL: `${HOUSE_URL}/bfl/v1`, pollIntervalMillis: 50 });
  return generateImage({ model: bfl.image(model), maxRetries: 0, ...more });
};
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const pictures = ({ images }) => images.map((image) => image.base64);
const options = (blackForestLabs) => ({ providerOptions: { blackForestLabs } });
const facts = (error) => ({ name: error.name, status: error.statusCode, message: error.message });
const caught = (promise) => promise.then(() => "no error", facts);

const words = { prompt: "a red boat", ...options({ width: 256, height: 256, steps: 2 }) };
const made = await asked("flux-dev", { ...words, n: 2, aspectRatio: "1:1", seed: 7 });
console.log(JSON.stringify({
  made: pictures(made),
  seed: made.providerMetadata.blackForestLabs.images[0].seed,
  ratio: pictures(await asked("flux-pro-1.1-ultra", { prompt: "a red boat", aspectRatio: "21:9" })),
  edited: pictures(await asked("flux-kontext-pro", {
    prompt: { text: "both", images: [bytes(PICTURE), bytes(PICTURE)] }, aspectRatio: "7:4",
  })),
  errors: {
    field: await caught(asked("flux-dev", { ...words, ...options({ width: 300 }) })),
    key: await caught(asked("flux-dev", words, "fh_wrong")),
    credit: await caught(asked("flux-dev", words, POOR_KEY)),
    model: await caught(asked("flux-9", words)),
    failed: await caught(asked("flux-krea-dev", words)),
    timeout: await caught(asked("flux-schnell", {
      prompt: "a red boat", ...options({ width: 256, height: 256, pollTimeoutMillis: 200 }),
    })),
  },
}));
