"""Everything that fal's Python client can do with images; prints what it got, as JSON, by name.

A program of its own: the client reads where its hosts are from the environment, once, when it is loaded.
"""

import asyncio
import io
import json
import os
import sys

import fal_client
from fal_client import AsyncClient, SyncClient
from PIL import Image

POOR_KEY, PLACE = os.environ["POOR_KEY"], os.environ["PLACE"]
DEV, KONTEXT = "fal-ai/flux/dev", "fal-ai/flux-pro/kontext"
SLOW, FAILING, UNSERVED = "fal-ai/flux/schnell", "fal-ai/flux/krea", "fal-ai/flux-pro/new"
SMALL = {"prompt": "a red boat", "image_size": {"width": 256, "height": 256}}
PICTURE = Image.open(io.BytesIO(bytes.fromhex(os.environ["PICTURE"])))
KEY = os.environ["FAL_KEY"]


def facts(error):
    kept = {"name": type(error).__name__, "message": str(error)}
    return kept | {name: getattr(error, name, None) for name in ("status_code", "error_type")}


def caught(call):
    try:
        call()
    except Exception as error:
        return facts(error)
    return "no error"


def subscribed():
    """The kinds of status on the way, whether any had logs, and the output."""
    seen = []
    output = fal_client.subscribe(
        SLOW, SMALL, with_logs=True, on_queue_update=seen.append, priority="low", hint="near", start_timeout=30
    )
    logs = [line["message"] for status in seen for line in getattr(status, "logs", None) or ()]
    return {"seen": sorted({type(status).__name__ for status in seen}), "logs": logs, "images": len(output["images"])}


def polled():
    """By the handle, and by the id alone."""
    handle = fal_client.submit(DEV, SMALL | {"seed": 7})
    kinds = [type(status).__name__ for status in handle.iter_events()]
    status = fal_client.status(DEV, handle.request_id, with_logs=True)
    again = fal_client.result(DEV, handle.request_id)
    return {"last": kinds[-1], "same": handle.get() == again, "seed": again["seed"], "metrics": status.metrics}


def cancelled():
    handle = fal_client.submit(SLOW, SMALL)
    handle.cancel()
    error = caught(handle.get)
    return {
        "error": error,
        "status": fal_client.status(SLOW, handle.request_id).error_type,
        "again": caught(handle.cancel),
    }


def streamed():
    """What each event shows: a preview within it or the picture's address."""
    return [event["images"][0]["url"][:10] for event in fal_client.stream(SLOW, SMALL)]


def uploaded():
    """By both of its ways. The hosts of uploads stand in its module: there is no setting for them."""
    fal_client.client.REST_URL, fal_client.client.CDN_URL = f"https://{PLACE}/fal/rest", f"https://{PLACE}/fal/cdn"
    client = SyncClient(key=KEY)
    urls = [client.upload_image(PICTURE, "png", repository=name) for name in ("fal_v3", "fal")]
    outputs = [client.run(KONTEXT, {"prompt": "blue", "image_url": url}) for url in urls]
    return {"urls": urls, "sizes": [[output["images"][0][side] for side in ("width", "height")] for output in outputs]}


async def asynchronously():
    """The asynchronous twin."""
    client, seen = AsyncClient(key=KEY), []
    output = await client.subscribe(DEV, SMALL, on_queue_update=seen.append)
    handle = await client.submit(SLOW, SMALL)
    await handle.cancel()
    found = {
        "images": len(output["images"]),
        "last": type(seen[-1]).__name__,
        "run": len((await client.run(DEV, SMALL))["images"]),
        "streamed": [event["images"][0]["url"][:10] async for event in client.stream(SLOW, SMALL)][-1],
    }
    try:
        await handle.get()
    except fal_client.FalClientHTTPError as error:
        found["cancelled"] = facts(error)
    return found


edit = {"prompt": "blue", "image_url": fal_client.encode_image(PICTURE, "png")}
poor, nobody = SyncClient(key=POOR_KEY), SyncClient(key="fh_wrong")
found = {
    "made": fal_client.run(DEV, SMALL | {"num_images": 2}),
    "inline": fal_client.run(DEV, SMALL | {"sync_mode": True})["images"][0]["url"][:23],
    "edited": fal_client.run(KONTEXT, edit),
    "varied": fal_client.run(f"{DEV}/image-to-image", edit | {"strength": 0.5}),
    "subscribed": subscribed(),
    "polled": polled(),
    "cancelled": cancelled(),
    "streamed": streamed(),
    "uploaded": uploaded(),
    "async": asyncio.run(asynchronously()),
    "errors": {
        "field": caught(lambda: fal_client.run(DEV, SMALL | {"num_images": 9})),
        "submit": caught(lambda: fal_client.submit(DEV, SMALL | {"image_size": {"width": 9}})),
        "key": caught(lambda: nobody.run(DEV, SMALL)),
        "credit": caught(lambda: poor.submit(DEV, SMALL)),
        "model": caught(lambda: fal_client.run("fal-ai/flux-9", SMALL)),
        "unserved": caught(lambda: fal_client.run(UNSERVED, SMALL)),
        "failed": caught(lambda: fal_client.run(FAILING, SMALL)),
        "queued": caught(lambda: fal_client.subscribe(FAILING, SMALL)),
        "picture": caught(lambda: fal_client.run(KONTEXT, edit | {"image_url": "data:image/png;base64,AAAA"})),
        "missing": caught(lambda: fal_client.result(DEV, "00000000-0000-4000-8000-000000000000")),
        "timeout": caught(lambda: fal_client.subscribe(SLOW, SMALL, client_timeout=1.2)),
    },
}
json.dump(found, sys.stdout)
