"""LoRAs as a client of the native API sees them: handed in, fetched, named in requests, and let go of."""

import asyncio
from datetime import timedelta

import pytest

from fluxhouse.core import jobs
from fluxhouse.dialects import loras as intake
from fluxhouse.engine.testcard import TestCard

SMALL = {"prompt": "a red boat", "width": 256, "height": 256}
KIND = "?type=Model&format=SafeTensor"
BYTES = {"Content-Type": "application/octet-stream"}


async def upload(house, content, name="boats", **headers):
    answer = await house.client.post(f"/api/v1/loras?name={name}", content=content, headers=BYTES | headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def refusal(house, body, status=400):
    """The error that a submit gets; no more is held then than before."""
    held = (await house.credits())["held"]
    answer = await house.run(SMALL | body, model="flux-dev")
    assert answer.status_code == status, answer.text
    assert (await house.credits())["held"] == held
    return answer.json()["error"]


async def asked(house, body):
    """The LoRAs of the job that a submit makes."""
    answer = await house.run(SMALL | body, model="flux-dev")
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["jobId"].removeprefix("job_")
    job = await house.platform.database.read(lambda connection: jobs.get(connection, job_id))
    return [(lora.path, lora.scale) for lora in job.request.loras]


async def stored(house):
    return sorted([key async for key in house.platform.door.storage.keys("loras/")])


async def test_a_lora_is_kept_and_described(hub_house, hub, lora_file):
    """Form, raw body and address alike answer its facts, which GET and the list repeat; DELETE forgets it."""
    hub.pages["/files/sea.safetensors"] = lora_file(3)
    files = {"file": ("ships.safetensors", lora_file(1), "application/octet-stream")}
    form = await hub_house.client.post("/api/v1/loras", files=files)
    named = await hub_house.client.post("/api/v1/loras", files=files, data={"name": "my ships"})
    raw = await upload(hub_house, lora_file(2))
    body = {"url": f"{hub.elsewhere}/files/sea.safetensors?token=x"}
    fetched = (await hub_house.client.post("/api/v1/loras", json=body)).json()
    kept = [fetched, raw, named.json(), form.json()]
    assert [lora["name"] for lora in kept] == ["sea", "boats", "my ships", "ships"]
    assert fetched["source"] == f"{hub.elsewhere}/files/sea.safetensors"
    for lora in kept:
        assert lora["loraId"].startswith("lora_")
        assert (lora["format"], lora["sizeBytes"], lora["ignoredTensors"]) == ("peft", len(lora_file()), 0)
        assert (await hub_house.client.get(f"/api/v1/loras/{lora['loraId']}")).json() == lora
    assert (await hub_house.client.get("/api/v1/loras")).json() == {"loras": kept}
    assert len(await stored(hub_house)) == 3
    answer = await hub_house.client.delete(f"/api/v1/loras/{raw['loraId']}")
    assert answer.json() == {"loraId": raw["loraId"], "deleted": True}
    answer = await hub_house.client.get(f"/api/v1/loras/{raw['loraId']}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "lora_not_found")


async def test_the_words_that_a_lora_answers_to_are_told(hub_house, lora_file):
    """As its author wrote them into the file, on one line; nothing where there are none, or none that can be shown."""
    said = {"modelspec.trigger_phrase": " in the style\n of  ada "}
    told = await upload(hub_house, lora_file(1, **said))
    assert told["trigger"] == "in the style of ada"
    assert (await hub_house.client.get("/api/v1/loras")).json()["loras"] == [told]
    for number, words in enumerate(("", "\0"), start=2):
        assert "trigger" not in await upload(hub_house, lora_file(number, **{"modelspec.trigger_phrase": words}))
    long = await upload(hub_house, lora_file(4, **{"modelspec.trigger_phrase": "x" * 1000}))
    assert long["trigger"] == "x" * 300


async def test_sent_again_it_is_the_same_lora(hub_house, lora_file):
    """The same content under the same name is one entry, under another name a second one of one file."""
    first = await upload(hub_house, lora_file())
    assert await upload(hub_house, lora_file()) == first
    assert (await upload(hub_house, lora_file(), "others"))["loraId"] != first["loraId"]
    assert len(await stored(hub_house)) == 1


async def test_a_foreign_lora_is_unknown(hub_house, lora_file):
    """To GET, DELETE, lists and requests of another account, as one that never was."""
    lora_id = (await upload(hub_house, lora_file()))["loraId"]
    headers = {"Authorization": f"Bearer {await hub_house.account('other')}"}
    for method in ("GET", "DELETE"):
        answer = await hub_house.client.request(method, f"/api/v1/loras/{lora_id}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "lora_not_found")
    assert (await hub_house.client.get("/api/v1/loras", headers=headers)).json() == {"loras": []}
    errors = []
    for named in (lora_id, "lora_" + "0" * 32):
        answer = await hub_house.run(SMALL | {"hf_lora": named}, model="flux-dev", **headers)
        errors.append((answer.status_code, answer.json()))
    assert errors[0] == errors[1]
    assert (errors[0][0], errors[0][1]["error"]["field"]) == (400, "hf_lora")
    assert await asked(hub_house, {"hf_lora": lora_id})


async def test_every_field_names_a_lora(hub_house, hub, lora_file):
    """All six parameters in one request: the files in the order of the table, each with its strength."""
    own = (await upload(hub_house, lora_file(1)))["loraId"]
    for n, path in enumerate(["/a/a/resolve/main/x.safetensors", "/b/b/resolve/main/y.safetensors", "/z.safetensors"]):
        hub.pages[path] = lora_file(2 + n)
    found = await asked(
        hub_house,
        {
            "hf_lora": "a/a/x.safetensors", "lora_scale": 0.5, "hf_loras": [own, "b/b/y.safetensors"],
            "lora_scales": [0.1, -1], "lora_weights": f"{hub.elsewhere}/z.safetensors",
            "customLoras": [{"id": own, "scale": 2}, f"{hub.elsewhere}/z.safetensors"],
        },
    )  # fmt: skip
    assert [scale for _, scale in found] == [0.5, 0.1, -1.0, 0.5, 2.0, 1.0]
    paths = [path for path, _ in found]
    assert len(set(paths)) == 4
    assert paths[1] == paths[4]
    assert paths[3] == paths[5]
    assert set(paths) == set(await stored(hub_house))
    assert len(hub.requests) == 3


@pytest.mark.parametrize(
    ("reference", "asks"),
    [
        ("owner/one", ["/api/models/owner/one", "/owner/one/resolve/main/only.safetensors"]),
        ("owner/usual", ["/api/models/owner/usual", "/owner/usual/resolve/main/pytorch_lora_weights.safetensors"]),
        ("owner/many/a%20b.safetensors", None),
        ("owner/many/sub/a b.safetensors", ["/owner/many/resolve/main/sub/a%20b.safetensors"]),
        ("huggingface.co/owner/many/c.safetensors", ["/owner/many/resolve/main/c.safetensors"]),
        ("https://huggingface.co/owner/many/blob/v2/c.safetensors", ["/owner/many/resolve/v2/c.safetensors"]),
        ("HUB/owner/many/resolve/main/c.safetensors?download=true", ["/owner/many/resolve/main/c.safetensors"]),
        ("https://hf.co/owner/one/tree/v2",
         ["/api/models/owner/one/revision/v2", "/owner/one/resolve/v2/only.safetensors"]),
        ("civitai:7@8", [f"/api/download/models/8{KIND}"]),
        ("https://civitai.com/models/7/boats?modelVersionId=8", [f"/api/download/models/8{KIND}"]),
        ("urn:air:flux1:lora:civitai:7", ["/api/v1/models/7", f"/api/download/models/9{KIND}"]),
    ],
)  # fmt: skip
async def test_hubs_are_asked_as_they_want_to_be_asked(hub_house, hub, lora_file, reference, asks):
    """Listings where the file is left open, downloads by revision and version; the token goes to its own hub."""
    names = ["only.safetensors", "README.md", "../x"]
    hub.pages |= {
        "/api/models/owner/one": {"siblings": [{"rfilename": name} for name in names]},
        "/api/models/owner/one/revision/v2": {"siblings": [{"rfilename": name} for name in names]},
        "/api/models/owner/usual": {
            "siblings": [{"rfilename": "a.safetensors"}, {"rfilename": "pytorch_lora_weights.safetensors"}]
        },
        "/api/v1/models/7": {
            "modelVersions": [{"id": 10, "baseModel": "SDXL"}, {"id": 9, "baseModel": "Flux.1 D"}, {"id": 8}]
        },
    }
    if asks is None:
        assert (await refusal(hub_house, {"hf_lora": reference}))["field"] == "hf_lora"
        assert hub.requests == []
        return
    hub.pages[asks[-1].partition("?")[0]] = lora_file()
    await asked(hub_house, {"hf_lora": reference.replace("HUB", hub.url)})
    assert hub.paths == asks
    wanted = "" if "civitai" in reference else "bearer hf-secret"
    assert {token for _, token in hub.requests} == {wanted}


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("owner/many", "several files: add one as owner/name/file, of a.safetensors, b.safetensors"),
        ("owner/none", "without a .safetensors file"),
        ("owner/gone", "status 404"),
        ("owner/odd", "makes no sense"),
        ("owner/name/weights.bin", "no other format is read"),
        ("https://huggingface.co/datasets/a/b", "model repository"),
        ("https://huggingface.co/a/b/resolve/../c.safetensors", "revision"),
        ("https://civitai.com/images/7", "must be like civitai.com/models/123"),
        ("https://a.example/weights.ckpt", "no other format is read"),
        ("https://replicate.delivery/a/trained.tar", "no other format is read"),
        ("http://house.test/loras/x.safetensors", "address of ours"),
        ("https://10.0.0.1/x.safetensors", "not public"),
        ("https://169.254.169.254/x.safetensors", "not public"),
        ("https://user:pass@8.8.8.8/x.safetensors", "credentials"),
        ("http://8.8.8.8/x.safetensors", "must be an https URL"),
        ("HUB/inside.safetensors", "not public"),
        ("HUB/broken.safetensors", "no whole safetensors file"),
        ("HUB/dora.safetensors", "DoRA"),
        ("HUB/big.safetensors", "more than 1000 bytes"),
    ],
)
async def test_what_cannot_be_had_is_refused_by_name(hub_house, hub, lora_file, reference, says, monkeypatch):
    """Each in its own words, with the field, before anything is held or kept."""
    monkeypatch.setattr(intake, "MAX_BYTES", 1000)
    hub.pages |= {
        "/api/models/owner/many": {"siblings": [{"rfilename": "a.safetensors"}, {"rfilename": "b.safetensors"}]},
        "/api/models/owner/none": {"siblings": [{"rfilename": "pytorch_model.bin"}, {}, 7]},
        "/api/models/owner/odd": b"<html>",
        "/inside.safetensors": "http://10.0.0.1/secret.safetensors",
        "/broken.safetensors": lora_file()[:-1],
        "/dora.safetensors": lora_file(module="transformer.x.dora_scale"),
        "/big.safetensors": bytes(1001),
    }
    error = await refusal(hub_house, {"customLoras": [reference.replace("HUB", hub.elsewhere)]})
    assert (error["code"], error["field"]) == ("invalid_lora", "customLoras")
    assert says in error["message"]
    assert await stored(hub_house) == []


async def test_the_operators_token_is_shown_to_its_own_host_alone(hub_house, hub, lora_file):
    """Neither to where a hub redirects, nor on the way back, nor to a host that redirects to the hub."""
    hub.pages |= {
        "/a/a/resolve/main/x.safetensors": "/moved/x.safetensors",
        "/moved/x.safetensors": f"{hub.elsewhere}/cdn",
        "/cdn": f"{hub.url}/again",
        "/again": lora_file(),
        "/mine.safetensors": f"{hub.url}/a/a/resolve/main/y.safetensors",
        "/a/a/resolve/main/y.safetensors": lora_file(1),
    }
    await asked(hub_house, {"hf_lora": "a/a/x.safetensors", "lora_weights": f"{hub.elsewhere}/mine.safetensors"})
    assert [token for _, token in hub.requests] == ["bearer hf-secret", "bearer hf-secret", "", "", "", ""]


async def test_a_place_is_not_asked_again_for_a_while(hub_house, hub, lora_file):
    """Nor by ten at once, nor by another account, nor for a repeat under one key; but after its time."""
    hub.pages["/a/a/resolve/main/x.safetensors"] = lora_file()
    body = SMALL | {"hf_lora": "a/a/x.safetensors"}
    key = {"Idempotency-Key": "one"}
    await asyncio.gather(*(hub_house.run(body, model="flux-dev") for _ in range(9)))
    first = await hub_house.run(body, model="flux-dev", **key)
    other = {"Authorization": f"Bearer {await hub_house.account('other')}"}
    assert (await hub_house.run(body, model="flux-dev", **other)).status_code == 202
    assert len(hub.requests) == 1
    hub_house.clock.ahead = timedelta(hours=13)
    hub.pages.clear()
    again = await hub_house.run(body, model="flux-dev", **key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(hub.requests) == 1
    missing = await hub_house.run(body, model="flux-dev")
    assert "status 404" in missing.json()["error"]["message"]
    hub.pages["/a/a/resolve/main/x.safetensors"] = lora_file(2)
    assert (await hub_house.run(body, model="flux-dev")).status_code == 202
    assert len(await stored(hub_house)) == 2


async def test_what_takes_too_long_shall_be_registered_first(hub_house, hub, lora_file, monkeypatch):
    """A submit waits so long and not longer; registering waits longer, and then the file is here."""
    hub.pages["/x.safetensors"] = lora_file()
    hub.pause_seconds = 0.3
    monkeypatch.setattr(intake, "FETCH_SECONDS", 0.1)
    body = {"lora_weights": f"{hub.elsewhere}/x.safetensors"}
    error = await refusal(hub_house, body)
    assert error["field"] == "lora_weights"
    assert "register it first with POST /api/v1/loras" in error["message"]
    answer = await hub_house.client.post("/api/v1/loras", json={"url": body["lora_weights"], "name": "slow"})
    assert answer.json()["name"] == "slow"
    assert await asked(hub_house, body)


async def test_nothing_is_fetched_for_one_who_cannot_submit(hub_house, hub):
    """Without credits, or before the strengths make sense."""
    poor = {"Authorization": f"Bearer {await hub_house.account('poor', credits=0)}"}
    answer = await hub_house.run(SMALL | {"hf_lora": "a/a"}, model="flux-dev", **poor)
    assert answer.status_code == 402
    assert (await refusal(hub_house, {"hf_loras": ["a/a"], "lora_scales": [1, 1]}))["field"] == "lora_scales"
    assert hub.requests == []


async def test_a_request_may_name_so_many_bytes(hub_house, lora_file, monkeypatch):
    """All its files together."""
    ids = [(await upload(hub_house, lora_file(n)))["loraId"] for n in range(2)]
    monkeypatch.setattr(intake, "MAX_REQUEST_BYTES", 2 * len(lora_file()) - 1)
    assert len(await asked(hub_house, {"hf_loras": [ids[0], ids[0]]})) == 2
    assert "bytes of LoRAs in one request" in (await refusal(hub_house, {"hf_loras": ids}))["message"]


@pytest.mark.parametrize(
    ("how", "status", "field"),
    [
        ({"content": b"\x80\x04pickle", "headers": BYTES, "params": {"name": "x"}}, 400, "file"),
        ({"content": b"", "headers": BYTES, "params": {"name": "x"}}, 400, "file"),
        ({"content": b"x", "headers": BYTES}, 400, "name"),
        ({"content": b"x", "headers": BYTES, "params": {"name": "a\nb"}}, 400, "name"),
        ({"content": b"x" * 2001, "headers": BYTES, "params": {"name": "x"}}, 413, None),
        ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, None),
        ({"files": {"weights": ("a.safetensors", b"x")}}, 400, "weights"),
        ({"files": {"file": ("a.safetensors", b"x")}, "params": {"name": "x"}}, 400, "name"),
        ({"data": {"name": "x"}, "files": {}}, 415, None),
        ({"json": {}}, 400, "url"),
        ({"json": {"url": 7}}, 400, "url"),
        ({"json": {"url": "owner"}}, 400, "url"),
        ({"json": {"url": "a/b", "name": ""}}, 400, "name"),
        ({"json": {"url": "a/b", "scale": 1}}, 400, "scale"),
        ({"json": {"url": "https://192.168.0.1/x.safetensors"}}, 400, "url"),
    ],
)
async def test_what_is_no_lora_is_not_kept(hub_house, how, status, field, monkeypatch):
    """Damaged files, wrong fields, types and addresses each answer their own status."""
    monkeypatch.setattr("fluxhouse.dialects.native.loras.MAX_BYTES", 2000)
    answer = await hub_house.client.post("/api/v1/loras", **how)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("field")) == (status, field), error
    assert await stored(hub_house) == []


async def test_files_go_when_they_are_too_much_and_never_before_their_job(hub_house, hub, lora_file):
    """The budget holds four: the oldest unused goes, not one that a waiting job asks for, nor a registered one."""
    size = len(lora_file())
    assert 4 * size > 1000 > 3 * size
    own = await upload(hub_house, lora_file(99))
    for n in range(6):
        hub.pages[f"/{n}.safetensors"] = lora_file(n)

    async def fetch(n):
        return await asked(hub_house, {"hf_lora": f"{hub.elsewhere}/{n}.safetensors"})

    wanted = (await fetch(0))[0][0]
    for n in (1, 2, 3):
        answer = await hub_house.run(SMALL | {"hf_lora": f"{hub.elsewhere}/{n}.safetensors"}, model="flux-dev")
        await hub_house.client.delete(f"/api/v1/jobs/{answer.json()['jobId']}")
    full = await hub_house.run(SMALL | {"hf_lora": f"{hub.elsewhere}/4.safetensors"}, model="flux-dev")
    assert (full.status_code, full.json()["error"]["code"]) == (503, "storage_unavailable")
    hub_house.clock.ahead = timedelta(minutes=20)
    assert await fetch(4)
    kept = await stored(hub_house)
    assert wanted in kept
    assert f"loras/{own['sha256']}.safetensors" in kept
    assert len(kept) < 6
    assert len(await asked(hub_house, {"hf_lora": f"{hub.elsewhere}/1.safetensors"})) == 1


async def test_a_picture_is_made_with_its_loras(build, lora_file):
    """The backend gets the files after the pictures, in the order of the request; another file, another picture."""
    seen = []

    class Watching(TestCard):
        async def generate(self, request, inputs):
            seen.append([path.read_bytes() for path in inputs])
            async for progress in super().generate(request, inputs):
                yield progress

    house = await build(Watching())
    files = [lora_file(n) for n in range(2)]
    ids = [(await upload(house, content))["loraId"] for content in files]
    pictures = []
    for named in (ids, ids[::-1], []):
        job = await house.done(SMALL | {"seed": 1, "hf_loras": named})
        pictures.append((await house.get(job["output"]["images"][0])).content)
    assert seen == [files, files[::-1], []]
    assert len(set(pictures)) == 3
