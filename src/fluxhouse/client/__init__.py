"""The SDK: `Client` and `AsyncClient` for programs that use an installation of Fluxhouse; needs httpx2 alone."""

from fluxhouse.client.async_client import AsyncClient
from fluxhouse.client.async_jobs import AsyncImage, AsyncJob
from fluxhouse.client.errors import (
    AuthenticationError,
    Conflict,
    ConnectionFailed,
    FluxhouseError,
    Gone,
    InsufficientCredits,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    Timeout,
)
from fluxhouse.client.events import Ended, Event, ImageReady, Preview, StatusChanged, Step
from fluxhouse.client.facts import Credits, File, JobError, Licence, Lora, Model, Progress, Quote, UsageDay
from fluxhouse.client.retry import Retry
from fluxhouse.client.sync_client import Client
from fluxhouse.client.sync_jobs import Image, Job

__all__ = [
    "AsyncClient",
    "AsyncImage",
    "AsyncJob",
    "AuthenticationError",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Credits",
    "Ended",
    "Event",
    "File",
    "FluxhouseError",
    "Gone",
    "Image",
    "ImageReady",
    "InsufficientCredits",
    "InvalidRequest",
    "Job",
    "JobCancelled",
    "JobError",
    "JobFailed",
    "Licence",
    "Lora",
    "Model",
    "NotFound",
    "PermissionDenied",
    "Preview",
    "Progress",
    "Quote",
    "RateLimited",
    "Retry",
    "ServerError",
    "StatusChanged",
    "Step",
    "Timeout",
    "UsageDay",
]
