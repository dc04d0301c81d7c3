// Images through the AI SDK's Replicate provider; prints what it got, by name.
import { createReplicate } from "@ai-sdk/replicate";
import { generateImage } from "ai";

const { HOUSE_URL, HOUSE_KEY, PICTURE } = process.env;
const replicate = createReplicate({ apiToken: HOUSE_KEY, baseURL: `${HOUSE_URL}/v1` });
const picture = new Uint8Array(Buffer.from(PICTURE, "base64"));
const small = { megapixels: "0.25", output_format: "jpg" };
const asked = (name, prompt, options = small, more = {}) => generateImage({
  model: replicate.image(`black-forest-labs/${name}`), prompt, maxRetries: 0,
  providerOptions: { replicate: options }, ...more,
});
const types = ({ images }) => images.map(({ mediaType }) => mediaType);
const facts = (error) => ({ name: error.name, status: error.statusCode, message: error.message });
const caught = (promise) => promise.then(() => "no error", facts);

console.log(JSON.stringify({
  made: types(await asked("flux-dev", "a red boat", small, { n: 2, seed: 7, aspectRatio: "16:9" })),
  single: types(await asked("flux-kontext-pro", "a red boat", { output_format: "jpg" })),
  varied: types(await asked("flux-dev", { text: "blue", images: [picture] })),
  edited: types(await asked("flux-kontext-dev", "blue", { input_image: `data:image/png;base64,${PICTURE}` })),
  errors: {
    field: await caught(asked("flux-dev", "a red boat", small, { size: "512x512" })),
    model: await caught(asked("flux-9", "a red boat")),
  },
}));
