"""LoRAs through the asynchronous client and its twin, before a real installation."""

from __future__ import annotations

import io
import json

import pytest

from fluxhouse.client import InvalidRequest, NotFound


async def passed(request, send):
    """The question whether the LoRA is there gets its answer."""
    return await send(request)


@pytest.fixture
def style(tmp_path, lora_file):
    """A LoRA's file on disk."""
    path = tmp_path / "style.safetensors"
    path.write_bytes(lora_file(1))
    return path


async def test_a_lora_is_registered_used_and_forgotten(client, kit, style, lora_file):
    """By path or as an open file it has the file's name, as bytes the one given; jobs name it by what came back."""
    mine = await client.add_lora(style)
    with style.open("rb") as file:
        assert await client.add_lora(file) == await client.add_lora(str(style)) == mine
    other = await client.add_lora(io.BytesIO(lora_file(2)), "other")
    assert [(lora.name, lora.format, lora.source) for lora in (mine, other)] == [
        ("style", "peft", None),
        ("other", "peft", None),
    ]
    assert (mine.size_bytes, mine.ignored_tensors) == (style.stat().st_size, 0)
    assert await client.loras() == (other, mine)
    job = await client.run(kit.quick, "a harbour", hf_lora=mine, customLoras=[{"id": other, "scale": 0.5}])
    assert job.status == "completed"
    await client.remove_lora(mine)
    await client.remove_lora(other.id)
    assert await client.loras() == ()
    with pytest.raises(NotFound):
        await client.remove_lora(mine)


async def test_a_lost_answer_changes_nothing(client, line, kit, style):
    """What was registered or forgotten the first time is so the second time."""
    line.lay("/loras", kit.answer_lost)
    mine = await client.add_lora(style)
    assert await client.loras() == (mine,)
    line.lay(mine.id, passed, kit.answer_lost)
    await client.remove_lora(mine)
    assert line.paths()[-3:] == [f"GET loras/{mine.id}", *[f"DELETE loras/{mine.id}"] * 2]
    assert await client.loras() == ()


async def test_a_text_that_is_no_file_is_where_to_fetch_it(client, line):
    """The server is told of it, and judges it."""
    with pytest.raises(InvalidRequest) as refused:
        await client.add_lora("https://127.0.0.1/style.safetensors", "style")
    assert refused.value.field == "url"
    assert json.loads(line.sent[-1].content) == {"url": "https://127.0.0.1/style.safetensors", "name": "style"}


async def test_bytes_need_a_name(client, line, lora_file):
    """Nothing is sent without one."""
    with pytest.raises(ValueError, match="name"):
        await client.add_lora(lora_file(1))
    assert line.sent == []


def test_the_twin_does_the_same(sync_client, style):
    """Registered, listed and forgotten in the other colour."""
    mine = sync_client.add_lora(style, "mine")
    assert (mine.name, sync_client.loras()) == ("mine", (mine,))
    sync_client.remove_lora(mine)
    assert sync_client.loras() == ()
