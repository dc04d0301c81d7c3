"""Everything that LiteLLM can do with images of an OpenAI-like host; prints what it got, as JSON, by name.

A program of its own, run in an environment of its own: LiteLLM pins versions that ours has not.
"""

import asyncio
import base64
import io
import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches prices from the network when imported

import litellm

URL, KEY, POOR_KEY = (os.environ[name] for name in ("HOUSE_URL", "HOUSE_KEY", "POOR_KEY"))
PICTURE = base64.b64decode(os.environ["PICTURE"])
HOUSE = {"api_base": f"{URL}/v1", "api_key": KEY, "num_retries": 0, "max_retries": 0}
WORDS = {"prompt": "a red boat", "size": "256x256"}


def picture():
    file = io.BytesIO(PICTURE)
    file.name = "picture.png"
    return file


def caught(**change):
    try:
        litellm.image_generation(**(HOUSE | WORDS | {"model": "openai/flux-dev"} | change))
    except Exception as error:
        return {"name": type(error).__name__, "status": getattr(error, "status_code", None)}
    return "no error"


made = litellm.image_generation(model="openai/flux-dev", n=2, **HOUSE, **WORDS)
encoded = litellm.image_generation(model="openai/dall-e-2", response_format="b64_json", **HOUSE, **WORDS)
later = asyncio.run(litellm.aimage_generation(model="openai/flux-dev", **HOUSE, **WORDS))
edited = litellm.image_edit(model="openai/flux-kontext-dev", image=[picture()], prompt="blue", size="256x256", **HOUSE)
json.dump(
    {
        "made": [image.url for image in made.data],
        "encoded": encoded.data[0].b64_json,
        "later": later.data[0].url,
        "edited": edited.data[0].url,
        "errors": {
            "field": caught(size="1x1"),
            "key": caught(api_key="fh_wrong"),
            "credit": caught(api_key=POOR_KEY),
            "model": caught(model="openai/flux-9"),
            "failed": caught(model="openai/flux-krea-dev"),
        },
    },
    sys.stdout,
)
