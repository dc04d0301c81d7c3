"""Webhooks for their owner: the secret and its rotation, the delivery log of a job, and sending it once more."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fluxhouse.core import jobs, webhook_secrets, webhooks
from fluxhouse.core.keys import Scope
from fluxhouse.core.signing import spelled_secret
from fluxhouse.core.webhook_secrets import WebhookSecret
from fluxhouse.core.webhooks import Webhook, WebhookAttempt
from fluxhouse.dialects.dialect import Door
from fluxhouse.dialects.native.bodies import Body, job_id_of, spelled
from fluxhouse.dialects.native.reading import bearer
from fluxhouse.dialects.wire import instant

Delivery = tuple[Webhook, list[WebhookAttempt]]

_NOT_CACHED = {"Cache-Control": "no-store"}


class Webhooks:
    """`GET /api/v1/webhooks/secret`, `POST .../rotate`, `GET /api/v1/jobs/{job}/webhook`, `POST .../replay`."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def secret(self, request: Request) -> Response:
        """What this account's webhooks are signed with; a key that may only read is not shown it."""
        pepper, now = self._door.options.pepper, self._door.clock.now()
        valid = await self._door.ask(
            bearer(request),
            Scope.RUN,
            lambda connection, caller: webhook_secrets.valid(connection, caller.account.id, pepper, now),
        )
        return _secrets(valid)

    async def rotate(self, request: Request) -> Response:
        """A new secret; the one until now stays valid beside it for a day."""
        caller = await self._door.authenticate(bearer(request), Scope.RUN)
        pepper, now = self._door.options.pepper, self._door.clock.now()
        return _secrets(
            await self._door.database.write(
                lambda connection: webhook_secrets.rotate(connection, caller.account, pepper, now)
            )
        )

    async def delivery(self, request: Request) -> Response:
        """How the delivery of a job's webhook stands, attempt by attempt."""
        text = request.path_params["job"]
        return _delivery(
            await self._door.ask(
                bearer(request),
                Scope.READ,
                lambda connection, caller: _standing(
                    connection, jobs.owned(connection, job_id_of(text), caller.account.id).id
                ),
            )
        )

    async def replay(self, request: Request) -> Response:
        """Send an ended job's webhook once more, at once; 202, since the attempt itself comes after the answer."""
        door = self._door
        caller = await door.authenticate(bearer(request), Scope.RUN)
        job = await door.job(caller, job_id_of(request.path_params["job"]))

        def again(connection: Connection) -> Delivery:
            webhooks.replay(connection, job, door.clock.now())
            return _standing(connection, job.id)

        due = await door.database.write(again)
        door.feed.changed.ring()
        return _delivery(due, 202)


def _standing(connection: Connection, job_id: str) -> Delivery:
    return webhooks.of_job(connection, job_id), webhooks.attempts(connection, job_id)


def _delivery(delivery: Delivery, status: int = 200) -> Response:
    webhook, attempts = delivery
    body: Body = {
        "jobId": spelled(webhook.job_id),
        "messageId": webhook.message_id,
        "url": webhook.url,
        "status": webhook.state.value,
        "attempts": [_attempt(attempt) for attempt in attempts],
    }
    if webhook.next_at is not None:
        body["nextAttemptAt"] = instant(webhook.next_at)
    return JSONResponse(body, status, _NOT_CACHED)


def _attempt(attempt: WebhookAttempt) -> Body:
    sent = attempt.sent
    line: Body = {"number": attempt.number, "at": instant(sent.at), "milliseconds": sent.milliseconds}
    if sent.status is not None:
        line["responseStatus"] = sent.status
    if sent.error is not None:
        line["error"] = sent.error
    if attempt.next_at is not None:
        line["nextAttemptAt"] = instant(attempt.next_at)
    return line


def _secrets(valid: Sequence[WebhookSecret]) -> Response:
    newest, *older = valid
    body: Body = {"secret": spelled_secret(newest.secret), "createdAt": instant(newest.created_at)}
    for entry in older:
        assert entry.expires_at is not None, "only the newest has no end"
        body["previous"] = {"secret": spelled_secret(entry.secret), "expiresAt": instant(entry.expires_at)}
    return JSONResponse(body, headers=_NOT_CACHED)
