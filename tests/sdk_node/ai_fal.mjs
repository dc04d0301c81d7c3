// Images through the AI SDK's fal provider; prints what it got, by name.
import { createFal } from "@ai-sdk/fal";
import { generateImage } from "ai";

const { HOUSE_URL, HOUSE_KEY, POOR_KEY, PICTURE, MASK } = process.env;
const asked = (name, { key = HOUSE_KEY, ...options }) => generateImage({
  model: createFal({ apiKey: key, baseURL: `${HOUSE_URL}/fal/run` }).image(`fal-ai/${name}`), maxRetries: 0, ...options,
});
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const pictures = ({ images }) => images.map((image) => image.base64);
const fal = (options) => ({ providerOptions: { fal: options } });
const facts = (error) => ({ name: error.name, status: error.statusCode, message: error.message });
const caught = (promise) => promise.then(() => "no error", facts);

const words = { prompt: "a red boat", size: "256x256" };
const made = await asked("flux/dev", { ...words, n: 2, seed: 7, ...fal({ outputFormat: "png", numInferenceSteps: 2 }) });
const shown = { text: "blue", images: [bytes(PICTURE), bytes(PICTURE)] };
console.log(JSON.stringify({
  made: pictures(made),
  shown: made.providerMetadata.fal.images[0],
  ratio: pictures(await asked("flux/dev", { prompt: "a red boat", aspectRatio: "16:9" })),
  edited: pictures(await asked("flux-pro/kontext", { prompt: { text: "blue", images: [bytes(PICTURE)] } })),
  both: pictures(await asked("flux-pro/kontext/multi", { prompt: shown, ...fal({ useMultipleImages: true }) })),
  masked: pictures(await asked("flux-pro/v1/fill", { prompt: { text: "a hat", images: [bytes(PICTURE)], mask: bytes(MASK) } })),
  errors: {
    field: await caught(asked("flux/dev", { ...words, size: "100x256" })),
    key: await caught(asked("flux/dev", { ...words, key: "fh_wrong" })),
    credit: await caught(asked("flux/dev", { ...words, key: POOR_KEY })),
    model: await caught(asked("flux-9", words)),
    failed: await caught(asked("flux/krea", words)),
    stopped: await caught(asked("flux/schnell", { ...words, abortSignal: AbortSignal.timeout(300) })),
  },
}));
