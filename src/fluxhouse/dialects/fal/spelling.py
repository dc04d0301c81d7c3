"""fal's spelling: a request's id is a UUID, and its addresses name the app that it was sent to."""

from __future__ import annotations

from fluxhouse.core.jobs import Job
from fluxhouse.dialects.answering import address, as_uuid
from fluxhouse.dialects.dialect import Door

DIALECT = "fal"
ROOT = "/fal"
RUN, QUEUE, REST, CDN = f"{ROOT}/run", f"{ROOT}/queue", f"{ROOT}/rest", f"{ROOT}/cdn"
ENDPOINT, SYNC_MODE = "endpoint", "sync_mode"  # what a job's remarks say
REQUEST_ID = "x-fal-request-id"


def app_of(endpoint: str) -> str:
    """The app that an endpoint belongs to: `fal-ai/flux` for `fal-ai/flux/dev`."""
    return "/".join(endpoint.split("/")[:2])


def addresses(door: Door, job: Job) -> dict[str, str]:
    """A request's id, and where its result and its status are and it is cancelled."""
    own = address(door, f"{QUEUE}/{app_of(job.terms.remarks[ENDPOINT])}/requests/{as_uuid(job.id)}")
    return {
        "request_id": as_uuid(job.id),
        "response_url": own,
        "status_url": f"{own}/status",
        "cancel_url": f"{own}/cancel",
    }
