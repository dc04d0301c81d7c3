"""Everything that Replicate's newer Python client can do with images; prints what it got, as JSON, by name.

A program of its own: the client of the 1.x series has the same name, and is loaded in the tests' process.
"""

import base64
import hashlib
import hmac
import io
import json
import os
import sys
import time

import replicate
from replicate import Replicate

URL, KEY, POOR_KEY = (os.environ[name] for name in ("HOUSE_URL", "HOUSE_KEY", "POOR_KEY"))
PICTURE = base64.b64decode(os.environ["PICTURE"])
DEV, KONTEXT = "black-forest-labs/flux-dev", "black-forest-labs/flux-kontext-dev"
SLOW, FAILING, UNSERVED = (f"black-forest-labs/{name}" for name in ("flux-schnell", "flux-krea-dev", "flux-pro"))
SMALL = {"prompt": "a red boat", "megapixels": "0.25", "output_format": "jpg"}


def client_with(key=KEY, root=f"{URL}/v1"):
    return Replicate(bearer_token=key, base_url=root, max_retries=0)


client, bare = client_with(), client_with(root=URL)
named = {"model_owner": "black-forest-labs", "model_name": "flux-dev"}


def caught(call):
    try:
        call()
    except Exception as error:
        return {"name": type(error).__name__, "status": getattr(error, "status_code", None), "message": str(error)}
    return "no error"


def edited(**options):
    return client.run(KONTEXT, input={"prompt": "blue", "input_image": io.BytesIO(PICTURE)}, **options)


def used():
    """What `use` gives, which reads the environment."""
    os.environ |= {"REPLICATE_BASE_URL": f"{URL}/v1", "REPLICATE_API_TOKEN": KEY}
    many, one = replicate.use(DEV)(**SMALL), replicate.use(KONTEXT)(prompt="blue")
    return [[replicate.get_path_url(path) for path in many], replicate.get_path_url(one)]


def waited():
    made = client.predictions.create(version=version, input=SMALL, prefer="wait=5", cancel_after="30s")
    return [made.status, (made.deadline - made.created_at).total_seconds()]


def cancelled():
    made = client.models.predictions.create(model_owner="black-forest-labs", model_name="flux-schnell", input=SMALL)
    return [made.status, client.predictions.cancel(prediction_id=made.id).status]


def files():
    file = client.files.create(content=PICTURE, filename="red.png", metadata={"for": "a test"})
    secret = base64.b64decode(client.webhooks.default.secret.get().key.removeprefix("whsec_"))
    owner, expiry = client.account.get().username, int(time.time()) + 60

    def downloaded(signed_owner):
        digest = hmac.digest(secret, f"{signed_owner} {file.id} {expiry}".encode(), hashlib.sha256)
        signature = base64.b64encode(digest).decode()
        return client.files.download(file_id=file.id, owner=owner, expiry=expiry, signature=signature).read()

    got = {
        "sha256": hashlib.sha256(downloaded(owner)).hexdigest() == file.checksums.sha256,
        "forged": caught(lambda: downloaded("somebody else"))["status"],
        "metadata": file.metadata,
        "listed": file.id in [entry.id for entry in client.files.list()],
        "same": client.files.get(file_id=file.id).id == file.id,
    }
    client.files.delete(file_id=file.id)
    return got | {"removed": caught(lambda: client.files.get(file_id=file.id))["name"]}


version = client.models.get(**named).latest_version.id
sys.stdout.write(
    json.dumps(
        {
            "made": client.run(DEV, input=SMALL | {"num_outputs": 2}),
            "bare": bare.run(DEV, input=SMALL),
            "by_version": client.run(f"{DEV}:{version}", input=SMALL),
            "edited": [edited(), edited(file_encoding_strategy="base64")],
            "used": used(),
            "overtime": client.run(SLOW, input=SMALL, wait=1),
            "waited": waited(),
            "cancelled": cancelled(),
            "files": files(),
            "models": len(list(client.models.list())),
            "found": [model.name for model in client.models.search(body="kontext max")],
            "versions": [entry.id == version for entry in client.models.versions.list(**named)],
            "readme": client.models.readme.get(**named),
            "predictions": len(list(client.predictions.list())),
            "errors": {
                "field": caught(lambda: client.run(DEV, input=SMALL | {"num_outputs": 9})),
                "version": caught(lambda: client.predictions.create(version="0" * 64, input=SMALL)),
                "model": caught(lambda: client.run("black-forest-labs/flux-9", input=SMALL)),
                "missing": caught(lambda: client.predictions.get(prediction_id="0" * 26)),
                "key": caught(lambda: client_with("fh_wrong").account.get()),
                "credit": caught(lambda: client_with(POOR_KEY).run(DEV, input=SMALL)),
                "unserved": caught(lambda: client.run(UNSERVED, input={"prompt": "a"})),
                "failed": caught(lambda: client.run(FAILING, input=SMALL)),
            },
        }
    )
)
