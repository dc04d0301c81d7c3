"""fal: what is asked in its words, and how its ends are told in ours."""

import pytest
from starlette.responses import JSONResponse

from fluxhouse.generation.errors import PromptRefused, ProviderFailed, ProviderRefused
from fluxhouse.generation.request import Acceleration, Task

SIZE = {"image_size": {"width": 64, "height": 64}}


@pytest.mark.parametrize(
    ("model", "asked", "path", "sent"),
    [
        ("flux-dev", {"steps": 20, "guidance": 2.5}, "flux/dev",
         SIZE | {"num_inference_steps": 20, "guidance_scale": 2.5}),
        ("flux-schnell", {"acceleration": Acceleration.HIGH}, "flux/schnell", SIZE | {"acceleration": "high"}),
        ("flux-1.1-pro", {"steps": 20}, "flux-pro/v1.1", SIZE),
        ("flux-1.1-pro-ultra", {"width": 128}, "flux-pro/v1.1-ultra", {"aspect_ratio": "16:9"}),
        ("flux-kontext-max", {}, "flux-pro/kontext/max/text-to-image", {"aspect_ratio": "1:1"}),
    ],
)  # fmt: skip
async def test_a_request_in_its_fields(vendors, run, model, asked, path, sent):
    """Submitted under the full path of the model, asked after under the application's."""
    await run(vendors.provider("fal"), model=model, **asked)
    ((asked_at, headers, body),) = vendors.submits
    assert (asked_at, headers["authorization"]) == (f"/queue/fal-ai/{path}", "Key secret")
    assert body == {"prompt": "a fox", "seed": 7, "num_images": 1, "output_format": "png"} | sent


async def test_pictures_go_as_data_uris(vendors, run, another, drawn, tmp_path):
    """To start from under a path of its own, and to edit; it does not repaint."""
    path = tmp_path / "a.png"
    path.write_bytes(drawn())
    provider = vendors.provider("fal")
    await run(provider, path, inputs=("a",), task=Task.VARY, strength=0.6)
    await another(provider, path, inputs=("a",), task=Task.EDIT, model="flux-kontext-dev")
    (varied_at, _, varied), (edited_at, _, edited) = vendors.submits
    assert (varied_at, varied["strength"]) == ("/queue/fal-ai/flux/dev/image-to-image", 0.6)
    assert varied["image_url"] == edited["image_url"] == "data:image/png;base64," + varied["image_url"][22:]
    assert edited_at == "/queue/fal-ai/flux-kontext/dev"
    with pytest.raises(ProviderRefused, match="does not repaint"):
        await another(provider, path, path, inputs=("a", "a"), task=Task.FILL)


@pytest.mark.parametrize(
    ("kind", "status", "error", "charged"),
    [
        ("content_policy_violation", 422, PromptRefused, None),
        ("value_error", 422, ProviderRefused, False),
        ("internal_server_error", 500, ProviderFailed, False),
        ("no_media_generated", 404, ProviderFailed, True),
    ],
)
async def test_bad_ends(vendors, run, record, kind, status, error, charged):
    """The queue completes all the same; the result's own status and type say what happened."""
    vendors.ending = JSONResponse({"detail": [{"loc": ["body"], "msg": "no picture", "type": kind}]}, status)
    with pytest.raises(error, match="no picture") as failed:
        await run(vendors.provider("fal"))
    assert getattr(failed.value, "charged", None) is charged
    assert record.states == ["failed"]


async def test_a_request_is_cancelled(vendors):
    """By its receipt."""
    provider = vendors.provider("fal")
    await provider.withdraw({"id": "task1", "app": "fal-ai/flux"})
    await provider.aclose()
    assert vendors.cancelled == ["task1"]
