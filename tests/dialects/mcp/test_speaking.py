"""The protocol's own client against a live installation: tools listed, pictures made and edited, errors in words."""

import asyncio
import base64
import io
from contextlib import asynccontextmanager

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from PIL import Image

SIZE = {"width": 256, "height": 256}
MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


@asynccontextmanager
async def speaking(live, key=None, mode="auto"):
    """The client, connected as the library's users do it."""
    headers = {"Authorization": f"Bearer {key or live.new_key()}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60) as http,
        Client(streamable_http_client(f"{live.url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def pictures(result):
    """The pictures in an answer."""
    found = [block for block in result.content if block.type == "image"]
    return [Image.open(io.BytesIO(base64.b64decode(block.data))) for block in found]


def shown(picture):
    """A picture as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}"


@MODES
async def test_the_tools_are_listed_with_what_they_take(live, mode):
    """Closed schemas; only models that somebody serves can be named; reading tools say so."""
    async with speaking(live, mode=mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"list_models", "generate_image", "edit_image", "job_status", "cancel_job"}
    generate = tools["generate_image"].input_schema
    assert (generate["required"], generate["additionalProperties"]) == (["prompt"], False)
    assert "flux-dev" in generate["properties"]["model"]["enum"]
    assert "flux-pro" not in generate["properties"]["model"]["enum"]
    assert {"seed", "aspect_ratio", "num_outputs", "num_inference_steps"} <= set(generate["properties"])
    assert {"acceleration", "negative_prompt", "true_cfg_scale", "lora_weights"} <= set(generate["properties"])
    assert tools["edit_image"].input_schema["required"] == ["prompt", "image"]
    assert [tools[name].annotations.read_only_hint for name in ("list_models", "generate_image")] == [True, False]


@MODES
async def test_pictures_are_made_and_their_steps_told(live, mode):
    """The answer holds the pictures, their addresses and seeds; it is charged once an image."""
    key, told = live.new_key(), []

    async def progress(done, total, message):
        told.append((done, total, message))

    async with speaking(live, key, mode) as client:
        wanted = {"prompt": "a fox", "model": "flux-schnell", "seed": 7, "num_outputs": 2, **SIZE}
        result = await client.call_tool("generate_image", wanted, progress_callback=progress)
        assert not result.is_error, result.content
        assert [picture.size for picture in pictures(result)] == [(256, 256)] * 2
        facts = result.structured_content
        assert (facts["status"], facts["seeds"], facts["credits"]) == ("succeeded", [7, 8], 1)
        again = await client.call_tool("job_status", {"job_id": facts["job_id"]})
        assert [picture.tobytes() for picture in pictures(again)] == [picture.tobytes() for picture in pictures(result)]
        async with httpx2.AsyncClient() as http:
            assert (await http.get(facts["images"][0])).status_code == 200
    assert told, "no step was told"
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert told[-1][0] <= told[-1][1]


async def test_a_picture_is_edited_varied_and_repainted(live, picture):
    """The tool finds a model for what it is given; with a mask one that fills."""
    white = io.BytesIO()
    Image.new("L", (48, 32), 255).save(white, "PNG")
    async with speaking(live) as client:
        edited = await client.call_tool("edit_image", {"prompt": "at night", "image": shown(picture)})
        assert edited.structured_content["model"].startswith("flux-kontext")
        read = {"prompt": "both", "image": shown(picture), "references": [shown(picture)]}
        assert (await client.call_tool("edit_image", read)).structured_content["model"] == "flux-kontext-dev"
        varied = {"prompt": "a fox", "image": shown(picture), "model": "flux-dev", "prompt_strength": 0.5}
        assert (await client.call_tool("edit_image", varied)).structured_content["model"] == "flux-dev"
        masked = {"prompt": "a fox", "image": shown(picture), "mask": shown(white.getvalue())}
        assert (await client.call_tool("edit_image", masked)).structured_content["model"] == "flux-fill-dev"


@pytest.mark.parametrize(
    ("tool", "arguments", "field"),
    [
        ("generate_image", {}, "prompt"),
        ("generate_image", {"prompt": "a fox", "num_outputs": 9}, "num_outputs"),
        ("generate_image", {"prompt": "a fox", "colour": "red"}, "colour"),
        ("generate_image", {"prompt": "a fox", "wait_seconds": -1}, "wait_seconds"),
        ("generate_image", {"prompt": "a fox", "image": "x"}, "image"),
        ("generate_image", {"prompt": "a fox", "webhook_url": "https://example.com/told"}, "webhook_url"),
        ("edit_image", {"prompt": "a fox", "image": "file_0", "references": "file_1"}, "references"),
        ("edit_image", {"prompt": "a", "image": "x", "references": ["x"] * 4}, "references"),
        ("edit_image", {"prompt": "a", "image": "x", "references": ["x"], "model": "flux-kontext-pro"}, "references"),
        ("edit_image", {"prompt": "a fox"}, "image"),
        ("edit_image", {"prompt": "a fox", "image": "data:image/png;base64,AAAA"}, "image"),
        ("list_models", {"all": True}, "all"),
    ],
)
async def test_a_wrong_argument_is_named_and_costs_nothing(live, tool, arguments, field):
    """The error is an answer of the tool, so that the model can mend its call."""
    key = live.new_key(5)
    async with speaking(live, key) as client:
        result = await client.call_tool(tool, arguments)
    assert (result.is_error, result.structured_content["error"]["field"]) == (True, field)
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http:
        assert (await http.get(f"{live.url}/api/v1/credits")).json()["balance"] == 5


async def test_what_fails_is_told_and_free(live):
    """A failing backend, an unserved model, no credit and a foreign job, each by its code."""
    key, poor = live.new_key(), live.new_key(0)
    async with speaking(live, key) as client:
        failed = await client.call_tool("generate_image", {"prompt": "a fox", "model": "flux-krea-dev", **SIZE})
        assert (failed.is_error, failed.structured_content["status"]) == (True, "failed")
        unserved = await client.call_tool("generate_image", {"prompt": "a fox", "model": "flux-pro"})
        assert unserved.structured_content["error"]["code"] == "model_unavailable"
        job = failed.structured_content["job_id"]
    async with speaking(live, poor) as client:
        refused = await client.call_tool("generate_image", {"prompt": "a fox", **SIZE})
        assert refused.structured_content["error"]["code"] == "insufficient_credits"
        foreign = await client.call_tool("job_status", {"job_id": job})
        assert foreign.structured_content["error"]["code"] == "job_not_found"


async def test_a_job_that_takes_longer_goes_on_until_it_is_asked_for_or_cancelled(live):
    """Without waiting the answer holds the id alone."""
    wanted = {"prompt": "a fox", "model": "flux-schnell", "wait_seconds": 0, **SIZE}
    async with speaking(live) as client:
        facts = (await client.call_tool("generate_image", wanted)).structured_content
        assert facts["status"] in ("queued", "running")
        cancelled = await client.call_tool("cancel_job", {"job_id": facts["job_id"]})
        assert not cancelled.is_error
        async with asyncio.timeout(20):
            while facts["status"] in ("queued", "running"):
                facts = (await client.call_tool("job_status", {"job_id": facts["job_id"]})).structured_content
        assert facts["status"] == "cancelled"


async def test_a_call_taken_back_cancels_its_job(live):
    """Nobody else knows its id."""
    key = live.new_key()
    wanted = {"prompt": "a fox", "model": "flux-schnell", **SIZE}
    async with speaking(live, key) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await client.call_tool("generate_image", wanted)
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as http, asyncio.timeout(20):
            while (jobs := (await http.get(f"{live.url}/api/v1/jobs")).json()["jobs"])[0]["status"] != "cancelled":
                assert jobs[0]["status"] in ("pending", "processing")
                await asyncio.sleep(0.1)


async def test_a_tool_that_breaks_tells_nothing_of_us(live, monkeypatch):
    """The caller hears of a fault, not of its words."""
    monkeypatch.setattr(type(live.platform.door), "job", lambda *_: 1 / 0)
    async with speaking(live) as client:
        for job in ("job_" + "0" * 32, "job_\0"):
            answer = await client.call_tool("job_status", {"job_id": job})
            assert (answer.is_error, "division" in str(answer.content)) == (True, False)
