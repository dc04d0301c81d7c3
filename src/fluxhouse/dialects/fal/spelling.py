"""fal's spelling: a request's id is a UUID, and its addresses name the app that it was sent to."""

from __future__ import annotations

import uuid

from fluxhouse.core.jobs import Job
from fluxhouse.dialects.dialect import Door
from fluxhouse.generation.errors import UnknownJob

DIALECT = "fal"
ROOT = "/fal"
RUN, QUEUE, REST, CDN = f"{ROOT}/run", f"{ROOT}/queue", f"{ROOT}/rest", f"{ROOT}/cdn"
ENDPOINT, SYNC_MODE = "endpoint", "sync_mode"  # what a job's remarks say
REQUEST_ID = "x-fal-request-id"


def spelled(job_id: str) -> str:
    """A job's id as a UUID."""
    return str(uuid.UUID(job_id))


def job_id_of(text: str) -> str:
    """The job's id behind a request's; raises `UnknownJob`."""
    try:
        return uuid.UUID(text).hex
    except ValueError:
        raise UnknownJob from None


def app_of(endpoint: str) -> str:
    """The app that an endpoint belongs to: `fal-ai/flux` for `fal-ai/flux/dev`."""
    return "/".join(endpoint.split("/")[:2])


def address(door: Door, path: str) -> str:
    """A path below the installation's public URL."""
    return door.options.public_url.rstrip("/") + path


def addresses(door: Door, job: Job) -> dict[str, str]:
    """A request's id, and where its result and its status are and it is cancelled."""
    own = address(door, f"{QUEUE}/{app_of(job.terms.remarks[ENDPOINT])}/requests/{spelled(job.id)}")
    return {
        "request_id": spelled(job.id),
        "response_url": own,
        "status_url": f"{own}/status",
        "cancel_url": f"{own}/cancel",
    }
