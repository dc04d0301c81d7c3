// Images through the AI SDK's OpenAI provider; prints what it got, by name.
import { createOpenAI } from "@ai-sdk/openai";
import { generateImage } from "ai";

const { HOUSE_URL, HOUSE_KEY, PICTURE, MASK } = process.env;
const openai = createOpenAI({ apiKey: HOUSE_KEY, baseURL: `${HOUSE_URL}/v1` });
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const pictures = ({ images }) => images.map((image) => image.base64);
const asked = (model, more) => generateImage({ model: openai.image(model), maxRetries: 0, ...more });
const facts = (error) => ({ name: error.name, status: error.statusCode, message: error.message });
const caught = (promise) => promise.then(() => "no error", facts);

const words = { prompt: "a red boat", size: "256x256" };
console.log(JSON.stringify({
  made: pictures(await asked("flux-dev", { ...words, n: 2 })),
  usual: pictures(await asked("gpt-image-1", words)),
  edited: pictures(await asked("gpt-image-1", { prompt: { text: "blue", images: [bytes(PICTURE)] }, size: "256x256" })),
  masked: pictures(await asked("gpt-image-1", {
    prompt: { text: "a hat", images: [bytes(PICTURE)], mask: bytes(MASK) }, size: "256x256",
  })),
  errors: {
    field: await caught(asked("flux-dev", { ...words, size: "100x100" })),
    failed: await caught(asked("flux-krea-dev", words)),
    cancelled: await caught(asked("flux-schnell", { ...words, abortSignal: AbortSignal.timeout(300) })),
  },
}));
