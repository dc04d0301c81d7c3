"""Prompts that a language model writes out: each dialect asks in its own word and shows the words that were drawn."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fluxhouse.engine.testcard import TestCard

DRAWN = "a red boat, in many more words"


class Chat(BaseHTTPRequestHandler):
    """A language model that always has the same to say."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        said = json.dumps({"choices": [{"message": {"content": DRAWN}}]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def chat():
    """A server with a language model; `asked` are the bodies it was sent."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    server.asked = []
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield server
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.fixture
async def writing(build, chat):
    """A house with that language model."""
    address = f"http://127.0.0.1:{chat.server_port}/v1"
    return await build(TestCard(), upsampler_url=address, upsampler_model="llama")


async def bfl(house, body):
    asked, key = body | {"prompt_upsampling": True}, {"x-key": house.key}
    answer = await house.client.post("/bfl/v1/flux-kontext-pro", json=asked, headers=key)
    assert answer.status_code == 200, answer.text
    for _ in range(500):
        told = (await house.client.get(answer.json()["polling_url"], headers=key)).json()
        if told["status"] != "Pending":
            break
        await asyncio.sleep(0.01)
    return told["result"]["prompt"]


async def fal(house, body):
    key = {"Authorization": f"Key {house.key}"}
    asked = body | {"enhance_prompt": True}
    answer = await house.client.post("/fal/run/fal-ai/flux-pro/v1.1", json=asked, headers=key)
    return answer.json()["prompt"]


async def openai(house, body):
    asked = body | {"model": "flux-dev", "prompt_upsampling": True}
    answer = await house.client.post("/v1/images/generations", json=asked)
    return answer.json()["data"][0]["revised_prompt"]


async def native(house, body):
    job = await house.done(body | {"prompt_upsampling": True})
    return job["prompt"]


async def replicate(house, body):
    """Whose answer has no place for it: the prediction shows its input, and the gallery the job's own words."""
    address = "/v1/models/black-forest-labs/flux-kontext-pro/predictions"
    asked = {"input": body | {"prompt_upsampling": True}}
    answer = (await house.client.post(address, json=asked, headers={"Prefer": "wait"})).json()
    assert (answer["status"], answer["input"]["prompt"]) == ("succeeded", body["prompt"])
    jobs = (await house.client.get("/api/v1/jobs")).json()
    return jobs["jobs"][0]["prompt"]


@pytest.mark.parametrize("ask", [native, openai, fal, bfl, replicate])
async def test_each_dialect_shows_the_words_that_were_drawn(writing, chat, ask):
    """Once configured, it is a parameter like any other, of every model whose contract has it."""
    assert await ask(writing, {"prompt": "a red boat"}) == DRAWN
    assert [asked["messages"][1]["content"] for asked in chat.asked] == ["a red boat"]


async def test_an_edit_is_written_out_as_an_instruction(writing, chat, picture):
    """Kontext reads one, and the model that writes it does not see the picture."""
    shown = "data:image/png;base64," + base64.b64encode(picture).decode()
    body = {"prompt": "make it blue", "prompt_upsampling": True, "input_image": shown}
    answer = await writing.run(body, "flux-kontext-max", Prefer="wait")
    assert answer.json()["prompt"] == DRAWN
    assert "edits pictures" in chat.asked[0]["messages"][0]["content"]


async def test_it_is_off_unless_asked_for(writing, chat):
    """The default costs no call."""
    assert (await writing.done())["prompt"] == "a red boat"
    assert chat.asked == []


async def test_without_a_model_each_dialect_refuses_by_its_field(house):
    """In its own shape, before anything is made or charged; the vendor's own word is the one that is named."""
    asked, key = {"prompt": "a red boat", "prompt_upsampling": True}, {"x-key": house.key}
    native = await house.run(asked)
    openai = await house.client.post("/v1/images/generations", json=asked | {"model": "flux-dev"})
    bfl = await house.client.post("/bfl/v1/flux-kontext-pro", json=asked, headers=key)
    fal = await house.client.post(
        "/fal/run/fal-ai/flux-pro/kontext/text-to-image",
        json={"prompt": "a red boat", "enhance_prompt": True},
        headers={"Authorization": f"Key {house.key}"},
    )
    address = "/v1/models/black-forest-labs/flux-kontext-pro/predictions"
    replicate = await house.client.post(address, json={"input": asked})
    assert [answer.status_code for answer in (native, openai, bfl, fal, replicate)] == [400, 400, 422, 422, 422]
    assert native.json()["error"]["field"] == openai.json()["error"]["param"] == "prompt_upsampling"
    assert bfl.json()["detail"][0]["loc"][-1] == "prompt_upsampling"
    assert fal.json()["detail"][0]["loc"][-1] == "enhance_prompt"
    assert replicate.json()["invalid_fields"][0]["field"] == "input.prompt_upsampling"
    assert (await house.credits())["balance"] == 100
