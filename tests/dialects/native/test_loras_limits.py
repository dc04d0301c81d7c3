"""What registering LoRAs is bounded by: the account's room, the budget of the shelf, the rate, and turns."""

import asyncio
from datetime import timedelta

from fluxhouse.core import loras
from fluxhouse.core.keys import Limits

SMALL = {"prompt": "a red boat", "width": 256, "height": 256}
BYTES = {"Content-Type": "application/octet-stream"}


async def upload(house, content, name="boats", **headers):
    answer = await house.client.post(f"/api/v1/loras?name={name}", content=content, headers=BYTES | headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored(house):
    return sorted([key async for key in house.platform.door.storage.keys("loras/")])


async def test_an_account_without_room_registers_nothing(hub_house, hub, lora_file, monkeypatch):
    """By number and by bytes, and nothing stays; what it has is given back all the same, a deleted one makes room."""
    hub.pages["/x.safetensors"] = lora_file(3)
    first = await upload(hub_house, lora_file(1))
    monkeypatch.setattr(loras, "QUOTA_COUNT", 1)
    for bound in ("QUOTA_COUNT", "QUOTA_BYTES"):
        answer = await hub_house.client.post("/api/v1/loras?name=x", content=lora_file(2), headers=BYTES)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "storage_quota_exceeded"), bound
        monkeypatch.setattr(loras, "QUOTA_COUNT", 9)
        monkeypatch.setattr(loras, "QUOTA_BYTES", first["sizeBytes"] + 1)
    answer = await hub_house.client.post("/api/v1/loras", json={"url": f"{hub.elsewhere}/x.safetensors"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "storage_quota_exceeded")
    assert await stored(hub_house) == [f"loras/{first['sha256']}.safetensors"]
    assert await upload(hub_house, lora_file(1)) == first
    await hub_house.client.delete(f"/api/v1/loras/{first['loraId']}")
    assert await upload(hub_house, lora_file(2))


async def test_what_was_registered_and_deleted_counts_towards_the_budget(hub_house, lora_file):
    """Nobody fills the disk by uploading, deleting and uploading again."""
    for n in range(4):
        lora_id = (await upload(hub_house, lora_file(n)))["loraId"]
        await hub_house.client.delete(f"/api/v1/loras/{lora_id}")
    answer = await hub_house.client.post("/api/v1/loras?name=x", content=lora_file(4), headers=BYTES)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
    assert len(await stored(hub_house)) == 4
    hub_house.clock.ahead = timedelta(minutes=20)
    assert await upload(hub_house, lora_file(4))
    assert len(await stored(hub_house)) == 1


async def test_registering_costs_rate(hub_house, hub, lora_file):
    """As much as a submit, by upload or by address; beyond it nothing is read or fetched."""
    key = {"Authorization": f"Bearer {await hub_house.account('hasty', limits=Limits(rate_per_minute=2))}"}
    hub.pages["/x.safetensors"] = lora_file(1)
    await upload(hub_house, lora_file(), **key)
    body = {"url": f"{hub.elsewhere}/x.safetensors"}
    answers = [await hub_house.client.post("/api/v1/loras", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    answer = await hub_house.client.post("/api/v1/loras?name=x", content=lora_file(2), headers=BYTES | key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0
    assert (await hub_house.run(SMALL, **key)).status_code == 429
    assert len(await stored(hub_house)) == 2


async def test_an_account_uploads_few_files_at_once(hub_house, lora_file):
    """The third waits, its body not read, until one of the others has ended; another account does not."""
    begun, gate = [], asyncio.Event()

    async def body(n):
        begun.append(n)
        await gate.wait()
        yield lora_file(n)

    other = {"Authorization": f"Bearer {await hub_house.account('other')}"}
    sent = [asyncio.create_task(upload(hub_house, body(n))) for n in range(3)]
    sent.append(asyncio.create_task(upload(hub_house, body(3), **other)))
    async with asyncio.timeout(10):
        while len(begun) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(begun) == 3
    assert 3 in begun
    gate.set()
    await asyncio.gather(*sent)
    assert len(await stored(hub_house)) == 4
