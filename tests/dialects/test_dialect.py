"""The door: statuses of errors, abandoned waits, replays before anything is fetched."""

import base64
import inspect

import pytest

from fluxhouse.core.keys import Scope
from fluxhouse.dialects.dialect import status_of
from fluxhouse.generation import errors
from fluxhouse.generation.errors import InvalidKey, KeyNotAllowed, PlatformError

EXPECTED = {
    "RequestRejected": 400,
    "InputImageRefused": 400,
    "InvalidKey": 401,
    "SpendCapReached": 402,
    "AccountSuspended": 403,
    "UnknownFile": 404,
    "JobAlreadyEnded": 409,
    "Gone": 410,
    "IdempotencyMismatch": 422,
    "RateLimited": 429,
    "StorageUnavailable": 503,
    "PlatformError": 500,
}


@pytest.mark.parametrize(("name", "status"), EXPECTED.items())
def test_errors_have_their_statuses(name, status):
    """A class answers with its own status or that of its nearest ancestor."""
    assert status_of(getattr(errors, name)()) == status


def test_every_refusal_has_a_status_of_its_own_kind():
    """Only failures of jobs and of ourselves fall through to 500."""
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PlatformError)]
    ours = {kind.__name__ for kind in kinds if status_of(kind()) == 500}
    assert ours == {"PlatformError", "GenerationFailed", *(kind.__name__ for kind in failures(kinds))}


def failures(kinds):
    return [kind for kind in kinds if issubclass(kind, errors.GenerationFailed)]


async def test_a_caller_is_known_by_key_and_scope(idle_house):
    """No key, no caller; a missing scope is another matter than a missing key."""
    door = idle_house.platform.door
    assert (await door.authenticate(idle_house.key, Scope.RUN)).account.name == "first"
    for nothing in (None, "", "fh_"):
        with pytest.raises(InvalidKey):
            await door.authenticate(nothing, None)
    await idle_house.platform.database.write(
        lambda connection: connection.exec_driver_sql("""UPDATE keys SET scopes = '["read"]'""")
    )
    with pytest.raises(KeyNotAllowed):
        await door.authenticate(idle_house.key, Scope.RUN)


async def test_a_revoked_key_stops_working_at_once(idle_house):
    """Nothing remembers a key between two requests."""
    assert (await idle_house.client.get("/api/v1/credits")).status_code == 200
    await idle_house.platform.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE keys SET revoked_at = 1")
    )
    assert (await idle_house.client.get("/api/v1/credits")).status_code == 401


async def test_a_replay_fetches_nothing(idle_house, picture, monkeypatch):
    """The same submit again is answered before its input image is looked at."""
    uri = "data:image/png;base64," + base64.b64encode(picture).decode()
    body = {"prompt": "a boat", "input_image": uri}
    first = await idle_house.run(body, **{"Idempotency-Key": "order"})
    door = idle_house.platform.door

    async def fail(*_):
        raise AssertionError("fetched again")

    monkeypatch.setattr(door.intake, "accept", fail)
    again = await idle_house.run(body, **{"Idempotency-Key": "order"})
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["x-ratelimit-remaining"] == "598"
    other = await idle_house.run(body | {"prompt": "b"}, **{"Idempotency-Key": "order"})
    assert other.status_code == 422


async def test_an_abandoned_wait_ends_only_a_job_that_nobody_can_ask_for_again(idle_house):
    """A job kept for a repeat goes on without its client; another is cancelled."""
    first = await idle_house.run()
    door = idle_house.platform.door
    caller = await door.authenticate(idle_house.key, None)
    job = await door.job(caller, first.json()["jobId"].removeprefix("job_"))

    async def gone():
        return {"type": "http.disconnect"}

    assert await door.wait_connected(gone, job, 30, kept=True) is None
    assert (await door.any_job(job.id)).state == "queued"
    assert await door.wait_connected(gone, job, 30, kept=False) is None
    assert (await door.any_job(job.id)).state == "cancelled"
