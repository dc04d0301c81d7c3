"""Jobs by id and as a list, as a client of the native API sees them."""

from datetime import timedelta

import pytest

from fluxhouse.core import jobs, settle
from fluxhouse.core.keys import Limits


async def test_a_waiting_job_says_where_it_stands(idle_house):
    """A pending job has its place in the queue, the hold as its cost, and no output."""
    await idle_house.run()
    job_id = (await idle_house.run()).json()["jobId"]
    job = (await idle_house.client.get(f"/api/v1/jobs/{job_id}")).json()
    assert (job["status"], job["queuePosition"], job["creditCost"]) == ("pending", 1, 1)
    assert job.keys().isdisjoint({"output", "assets", "startedAt", "completedAt", "progress", "error", "timings"})


async def test_a_finished_job_is_what_the_waiting_call_answered(house):
    """GET repeats the finished job, and its address gives the picture without a key."""
    done = await house.done()
    job = (await house.client.get(f"/api/v1/jobs/{done['jobId']}")).json()
    assert job == done
    picture = await house.get(job["output"]["images"][0])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("DELETE", "/output"), ("GET", "/events")])
async def test_a_foreign_job_is_as_unknown_as_none(idle_house, method, path):
    """Another account's job answers 404, as do ids that never were."""
    job_id = (await idle_house.run()).json()["jobId"]
    other = {"Authorization": f"Bearer {await idle_house.account('other')}"}
    for unknown, headers in ((job_id, other), ("job_0", {}), ("nonsense", {}), (job_id.removeprefix("job_"), {})):
        answer = await idle_house.client.request(method, f"/api/v1/jobs/{unknown}{path}", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")
    answer = await idle_house.client.request(method, f"/api/v1/jobs/{job_id}{path}", headers={"Authorization": ""})
    assert answer.status_code == 401


async def test_cancelling_a_waiting_job_gives_its_credits_back(idle_house):
    """DELETE ends a pending job at once and free; a second one conflicts."""
    job_id = (await idle_house.run()).json()["jobId"]
    answer = await idle_house.client.delete(f"/api/v1/jobs/{job_id}")
    assert (answer.status_code, answer.json()["status"], answer.json()["creditCost"]) == (200, "cancelled", 0)
    assert (await idle_house.credits()) == {"balance": 100, "held": 0, "available": 100}
    again = await idle_house.client.delete(f"/api/v1/jobs/{job_id}")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "job_already_ended")


async def test_cancelling_needs_the_scope(idle_house):
    """A key that may only read sees jobs and cancels none."""
    reader = await idle_house.account("reader", limits=Limits(scopes=frozenset({"read"})))
    headers = {"Authorization": f"Bearer {reader}"}
    answer = await idle_house.client.delete("/api/v1/jobs/job_0", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "key_not_allowed")
    assert (await idle_house.client.get("/api/v1/jobs", headers=headers)).status_code == 200


async def test_deleted_output_is_gone_and_the_job_stays(house):
    """Removing the output takes the pictures and leaves the job, without addresses."""
    done = await house.done()
    url = done["output"]["images"][0]
    answer = await house.client.delete(f"/api/v1/jobs/{done['jobId']}/output")
    job = answer.json()
    assert (answer.status_code, job["output"], job["outputExpired"]) == (200, {"images": []}, True)
    assert "assets" not in job
    assert (await house.get(url)).status_code == 410
    assert (await house.client.delete(f"/api/v1/jobs/{done['jobId']}/output")).status_code == 410


async def test_the_output_of_an_unfinished_job_cannot_be_removed(idle_house):
    """Removing what is not there yet conflicts."""
    job_id = (await idle_house.run()).json()["jobId"]
    answer = await idle_house.client.delete(f"/api/v1/jobs/{job_id}/output")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_an_expired_job_shows_no_addresses(house):
    """After `expiresAt` the job is still there, its pictures are not."""
    done = await house.done()
    house.clock.ahead = timedelta(hours=25)
    job = (await house.client.get(f"/api/v1/jobs/{done['jobId']}")).json()
    assert (job["status"], job["output"], job["outputExpired"]) == ("completed", {"images": []}, True)
    answer = await house.get(done["output"]["images"][0])
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "output_expired")


async def test_jobs_are_listed_by_pages_newest_first(idle_house):
    """Pages join without a gap or a repeat, whatever comes meanwhile, and filters hold."""
    sent = [(await idle_house.run()).json()["jobId"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await idle_house.client.get("/api/v1/jobs", params=query)).json()
        seen += [job["jobId"] for job in page["jobs"]]
        await idle_house.run(model="flux-schnell")
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == sent[::-1]
    await idle_house.client.delete(f"/api/v1/jobs/{sent[0]}")
    for query, count in (({"status": "cancelled"}, 1), ({"model": "flux-schnell"}, 3), ({"status": "completed"}, 0)):
        assert len((await idle_house.client.get("/api/v1/jobs", params=query)).json()["jobs"]) == count


@pytest.mark.parametrize(
    "query",
    [{"limit": "0"}, {"limit": "x"}, {"limit": "101"}, {"cursor": "!"}, {"cursor": "eA"}, {"status": "running"}],
)
async def test_a_list_that_makes_no_sense_is_refused_by_name(idle_house, query):
    """Bad query parameters answer 400 with the name of the parameter."""
    answer = await idle_house.client.get("/api/v1/jobs", params=query)
    assert (answer.status_code, [answer.json()["error"]["field"]]) == (400, list(query))


async def test_an_expired_unstarted_job_fails_free(idle_house):
    """A job that nobody started in time ends as failed, with its code, free of charge."""
    job_id = (await idle_house.run()).json()["jobId"]
    database, clock = idle_house.platform.database, idle_house.clock
    clock.ahead = timedelta(hours=25)

    def expire(connection):
        settle.expire(connection, jobs.get(connection, job_id.removeprefix("job_")), clock.now())

    await database.write(expire)
    job = (await idle_house.client.get(f"/api/v1/jobs/{job_id}")).json()
    assert (job["status"], job["creditCost"], job["error"]["code"]) == ("failed", 0, "expired")
