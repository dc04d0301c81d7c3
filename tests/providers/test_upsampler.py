"""A language model behind chat completions writes prompts out, and is asked again where it cannot now."""

from collections.abc import AsyncIterator, Callable

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from fluxhouse.generation.errors import UpsamplingFailed
from fluxhouse.generation.request import GenerationRequest, Task
from fluxhouse.providers.upsampler import ChatUpsampler, UpsamplerOptions

REQUEST = GenerationRequest(model="flux-dev", prompt="a boat", width=64, height=64, seed=1)
QUICK = {"pause_seconds": 0.01, "longest_pause_seconds": 0.02, "patience_seconds": 5.0}

Make = Callable[..., ChatUpsampler]


@pytest.fixture
async def make(vendors) -> AsyncIterator[Make]:
    """Makes an upsampler that asks the model of this test."""
    made: list[ChatUpsampler] = []

    def upsampler(key: str = "secret", **options: float) -> ChatUpsampler:
        made.append(ChatUpsampler(f"{vendors.url}/openai", key, "llama", UpsamplerOptions(**QUICK | options)))
        return made[-1]

    yield upsampler
    for one in made:
        await one.aclose()


async def test_the_model_is_told_whether_it_writes_a_picture_or_an_edit(vendors, make):
    """The prompt alone is the user's word; only an edit, which Kontext models make, is an instruction."""
    vendors.said = ["A red boat."] * 3
    for task in (Task.GENERATE, Task.VARY, Task.EDIT):
        await make().upsample(GenerationRequest("flux-dev", "a boat", 64, 64, 1, task=task))
    (_, headers, drawn), (_, _, varied), (_, _, edited) = vendors.submits
    assert headers["authorization"] == "Bearer secret"
    assert drawn == varied
    assert (drawn["model"], drawn["messages"][1]) == ("llama", {"role": "user", "content": "a boat"})
    assert "text-to-image" in drawn["messages"][0]["content"]
    assert "edits pictures" in edited["messages"][0]["content"]


async def test_a_server_without_keys_is_sent_none(vendors, make):
    """As local ones are."""
    vendors.said = ["A red boat."]
    await make(key="").upsample(REQUEST)
    assert "authorization" not in vendors.submits[0][1]


@pytest.mark.parametrize(
    ("said", "prompt"),
    [
        ("A red boat.", "A red boat."),
        ('"A red\nboat."\n', "A red boat."),
        ("<think>\nBoats are red.\n</think>\n\nA red boat.", "A red boat."),
        ('"Sea" is written on a boat "Ada"', '"Sea" is written on a boat "Ada"'),
        ("A red\x00 boat \ud83d\ude00\ud800", "A red boat \U0001f600"),
    ],
)
async def test_the_prompt_is_one_plain_line(vendors, make, said, prompt):
    """Without thoughts, the quotation marks around it, and what no database keeps."""
    vendors.said = [said]
    assert await make().upsample(REQUEST) == prompt


async def test_one_that_cannot_now_is_asked_again(vendors, make):
    """Busy, loading, behind a broken gateway, or at a loss for words."""
    loading = JSONResponse({"error": {"message": "Loading model"}}, 503)
    vendors.refusals = [PlainTextResponse("busy", 429), loading]
    vendors.lose = 1
    vendors.said = ["", None, "word " * 500, "A red boat."]
    assert await make().upsample(REQUEST) == "A red boat."
    assert len(vendors.submits) == 7


@pytest.mark.parametrize("status", [400, 401])
async def test_one_that_will_not_is_not_asked_again(vendors, make, status):
    """What it says is for the operator; a caller may try again later."""
    vendors.refusals = [JSONResponse({"error": {"message": "no such key"}}, status)]
    with pytest.raises(UpsamplingFailed) as failed:
        await make().upsample(REQUEST)
    assert failed.value.retryable
    assert "no such key" not in failed.value.message
    assert len(vendors.submits) == 1


async def test_one_that_refuses_is_there(vendors, make):
    """Four failures before a refusal and one after it are not five in a row, for which it would be left alone."""
    asking = make()
    vendors.refusals = [PlainTextResponse("busy", 429)] * 4 + [JSONResponse({"error": {"message": "no"}}, 400)]
    with pytest.raises(UpsamplingFailed):
        await asking.upsample(REQUEST)
    vendors.refusals, vendors.said = [PlainTextResponse("busy", 429)], ["A red boat."]
    assert await asking.upsample(REQUEST) == "A red boat."


async def test_patience_ends(vendors, make):
    """An answer that does not come in its time, or is too large, is given up."""
    vendors.said = ["boat " * 300_000]
    with pytest.raises(UpsamplingFailed):
        await make().upsample(REQUEST)
    assert len(vendors.submits) == 1
    vendors.thinks = 0.5
    with pytest.raises(UpsamplingFailed):
        await make(answer_seconds=0.05, patience_seconds=0.0).upsample(REQUEST)
