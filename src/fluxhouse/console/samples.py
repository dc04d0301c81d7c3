"""One request as programs that make it, in every language and SDK that we show; the tests run them as shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fluxhouse.catalog.model import Model
from fluxhouse.console.literals import java, javascript, php, python, shell
from fluxhouse.generation.request import OutputFormat, Task

KEY_VARIABLE: Final = "FLUXHOUSE_API_KEY"
_PICTURES = ("input_image", "input_images", "image_url", "image", "mask")
# What the vendors' fields can say; a request with more is shown in our own words only.
_REPLICATE = {"prompt", "aspect_ratio", "seed", "num_outputs", "output_format", "output_quality", *_PICTURES} - {
    "input_images"
}
_FAL = {"prompt", "aspect_ratio", "width", "height", "seed", "num_outputs", "output_format"}
_FAL_FORMATS = {"png": "png", "jpg": "jpeg"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A program: its word in addresses, what people call it, the file that it may be saved as, and its text."""

    id: str
    title: str
    file: str
    code: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to show: `body` goes to `model` at `url`; `names` is what each SDK of a vendor calls the model."""

    model: Model
    body: Mapping[str, Any]
    url: str
    names: Mapping[str, str]

    @property
    def address(self) -> str:
        return f"{self.url}/api/v1/models/{self.model.id}/run"

    @property
    def file_type(self) -> str:
        chosen = self.model.parameter("output_format")
        return str(self.body.get("output_format") or (chosen.default if chosen is not None else "png"))

    @property
    def makes_one(self) -> bool:
        return bool(self.body.get("num_outputs", 1) == 1)

    @property
    def size(self) -> tuple[int, int] | None:
        """Pixels, as far as the request says them."""
        if "width" in self.body and "height" in self.body:
            return self.body["width"], self.body["height"]
        ratio = self.body.get("aspect_ratio", "1:1")
        return self.model.pixels(ratio, self.body.get("megapixels")) if ratio in self.model.aspect_ratios else None

    @property
    def shows_pictures(self) -> bool:
        return any(name in self.body for name in _PICTURES)


def samples(asked: Asked) -> list[Sample]:
    """Every program that makes this request; the vendors' SDKs only where their words can say it."""
    found = [
        Sample("curl", "curl", "sample.sh", _curl(asked)),
        Sample("python", "Python", "sample.py", _requests(asked)),
        Sample("sdk", "Python SDK", "sample_sdk.py", _sdk(asked)),
        Sample("javascript", "JavaScript", "sample.mjs", _javascript(asked)),
        Sample("php", "PHP", "sample.php", _php(asked)),
        Sample("java", "Java", "Sample.java", _java(asked)),
    ]
    if "openai" in asked.names and not asked.shows_pictures and asked.size is not None:
        found.append(Sample("openai", "OpenAI SDK", "sample_openai.py", _openai(asked)))
    if "replicate" in asked.names and asked.body.keys() <= _REPLICATE:
        found.append(Sample("replicate", "Replicate SDK", "sample_replicate.py", _replicate(asked)))
    if "fal" in asked.names and _fal_can_say(asked):
        found.append(Sample("fal", "fal", "sample_fal.py", _fal(asked)))
    return found


def _curl(asked: Asked) -> str:
    lines = [
        f"curl --fail-with-body -X POST {shell(asked.address)}",
        f'-H "Authorization: Bearer ${KEY_VARIABLE}"',
        "-H 'Content-Type: application/json'",
        "-H 'Prefer: wait=60'",
    ]
    if asked.makes_one:
        lines += [f"-H 'Accept: {OutputFormat(asked.file_type).content_type}'", f"-o picture.{asked.file_type}"]
    return " \\\n  ".join([*lines, f"-d {shell(json.dumps(asked.body, indent=2, ensure_ascii=False))}"]) + "\n"


def _requests(asked: Asked) -> str:
    return f"""\
import os
import time

import requests

key = {{"Authorization": "Bearer " + os.environ["{KEY_VARIABLE}"]}}
answer = requests.post(
    {python(asked.address)},
    headers=key,
    json={python(dict(asked.body), 4)},
)
answer.raise_for_status()
address, job = answer.json()["statusUrl"], answer.json()
while job["status"] in ("pending", "processing"):
    time.sleep(1)
    job = requests.get(address, headers=key).json()
if job["status"] != "completed":
    raise SystemExit(job)
for number, image in enumerate(job["output"]["images"]):
    with open(f"picture-{{number}}.{asked.file_type}", "wb") as file:
        file.write(requests.get(image).content)
"""


def _sdk(asked: Asked) -> str:
    parameters = "".join(f"    {name}={python(value, 4)},\n" for name, value in asked.body.items())
    return f"""\
from fluxhouse.client import Client  # the key is in {KEY_VARIABLE}

client = Client(url={python(asked.url)})
job = client.run(
    {python(asked.model.id)},
{parameters})
for number, image in enumerate(job.images):
    image.save(f"picture-{{number}}.{asked.file_type}")
"""


def _javascript(asked: Asked) -> str:
    return f"""\
import {{ writeFile }} from "node:fs/promises";

const answer = await fetch({javascript(asked.address)}, {{
    method: "POST",
    headers: {{
        Authorization: `Bearer ${{process.env.{KEY_VARIABLE}}}`,
        "Content-Type": "application/json",
        Prefer: "wait=60",
    }},
    body: JSON.stringify({javascript(dict(asked.body), 4)}),
}});
const job = await answer.json();
if (job.status !== "completed") throw new Error(JSON.stringify(job));
for (const [number, image] of job.output.images.entries()) {{
    const picture = await fetch(image);
    await writeFile(`picture-${{number}}.{asked.file_type}`, Buffer.from(await picture.arrayBuffer()));
}}
"""


def _php(asked: Asked) -> str:
    return f"""\
<?php
$answer = file_get_contents({php(asked.address)}, false, stream_context_create(['http' => [
    'method' => 'POST',
    'header' => [
        'Authorization: Bearer ' . getenv('{KEY_VARIABLE}'),
        'Content-Type: application/json',
        'Prefer: wait=60',
    ],
    'content' => json_encode({php(dict(asked.body), 4)}),
    'ignore_errors' => true,
]]));
$job = json_decode($answer, true);
if (($job['status'] ?? '') !== 'completed') {{
    fwrite(STDERR, $answer);
    exit(1);
}}
foreach ($job['output']['images'] as $number => $image) {{
    file_put_contents("picture-$number.{asked.file_type}", file_get_contents($image));
}}
"""


def _java(asked: Asked) -> str:
    accept = OutputFormat(asked.file_type).content_type if asked.makes_one else "application/json"
    file = f"picture.{asked.file_type}" if asked.makes_one else "job.json"
    lines = json.dumps(asked.body, indent=2, ensure_ascii=False).splitlines(keepends=True)
    body = "\n                + ".join(java(line) for line in lines)
    return f"""\
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

public class Sample {{
    public static void main(String[] arguments) throws Exception {{
        String body = {body};
        HttpRequest request = HttpRequest.newBuilder(URI.create({java(asked.address)}))
                .header("Authorization", "Bearer " + System.getenv("{KEY_VARIABLE}"))
                .header("Content-Type", "application/json")
                .header("Prefer", "wait=60")
                .header("Accept", "{accept}")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var answer = client.send(request, BodyHandlers.ofByteArray());
        if (answer.statusCode() != 200) throw new IllegalStateException(new String(answer.body(), "UTF-8"));
        Files.write(Path.of("{file}"), answer.body());
    }}
}}
"""


def _openai(asked: Asked) -> str:
    width, height = asked.size or (1024, 1024)
    body = dict(asked.body)
    own: dict[str, Any] = {"model": asked.names["openai"], "prompt": body.pop("prompt"), "size": f"{width}x{height}"}
    for name in ("aspect_ratio", "width", "height", "megapixels"):
        body.pop(name, None)
    for name, theirs in (("num_outputs", "n"), ("output_quality", "output_compression")):
        if name in body:
            own[theirs] = body.pop(name)
    if "output_format" in body:
        own["output_format"] = {"jpg": "jpeg"}.get(body["output_format"], body["output_format"])
        del body["output_format"]
    if own.get("output_format", "png") == "png":
        own.pop("output_compression", None)
    parameters = "".join(f"    {name}={python(value)},\n" for name, value in own.items())
    if body:
        parameters += f"    extra_body={python(body, 4)},\n"
    return f"""\
import os
import urllib.request

from openai import OpenAI

client = OpenAI(base_url={python(asked.url + "/v1")}, api_key=os.environ["{KEY_VARIABLE}"])
answer = client.images.generate(
{parameters})
for number, image in enumerate(answer.data):
    urllib.request.urlretrieve(image.url, f"picture-{{number}}.{asked.file_type}")
"""


def _replicate(asked: Asked) -> str:
    body = {"output_format": asked.file_type, **asked.body}
    if "aspect_ratio" not in body and not asked.shows_pictures:
        body["aspect_ratio"] = "1:1"
    picture = body.pop("image_url", None) or body.pop("input_image", None)
    if picture is not None:
        body["input_image" if asked.model.input_task is Task.EDIT else "image"] = picture
    return f"""\
import os
import urllib.request

import replicate

client = replicate.Client(base_url={python(asked.url)}, api_token=os.environ["{KEY_VARIABLE}"])
answer = client.run(
    {python(asked.names["replicate"])},
    input={python(body, 4)},
)
for number, image in enumerate(answer if isinstance(answer, list) else [answer]):
    urllib.request.urlretrieve(str(image), f"picture-{{number}}.{asked.file_type}")
"""


def _fal_can_say(asked: Asked) -> bool:
    return asked.body.keys() <= _FAL and asked.size is not None and asked.file_type in _FAL_FORMATS


def _fal(asked: Asked) -> str:
    width, height = asked.size or (1024, 1024)
    body: dict[str, Any] = {"prompt": asked.body["prompt"], "image_size": {"width": width, "height": height}}
    for name, theirs in (("seed", "seed"), ("num_outputs", "num_images")):
        if name in asked.body:
            body[theirs] = asked.body[name]
    body["output_format"] = _FAL_FORMATS[asked.file_type]
    address = f"{asked.url}/fal/run/{asked.names['fal']}"
    return f"""\
import os
import urllib.request

import requests

# fal's own SDK speaks https alone: behind TLS it is pointed here by FAL_RUN_HOST=<host>/fal/run.
answer = requests.post(
    {python(address)},
    headers={{"Authorization": "Key " + os.environ["{KEY_VARIABLE}"]}},
    json={python(body, 4)},
)
answer.raise_for_status()
for number, image in enumerate(answer.json()["images"]):
    urllib.request.urlretrieve(image["url"], f"picture-{{number}}.{asked.file_type}")
"""
