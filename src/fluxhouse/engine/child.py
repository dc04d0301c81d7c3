"""The engine's process as its parent sees it: start it, give it requests, hear of them, notice its end; torch-free."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

import structlog

from fluxhouse.engine import confine, frames
from fluxhouse.engine.options import EngineOptions
from fluxhouse.generation import errors
from fluxhouse.generation.backend import Finished, Preview, Progress, StepDone
from fluxhouse.generation.image import MadeImage
from fluxhouse.generation.request import GenerationRequest

log = structlog.get_logger(__name__)

_KEPT = frozenset({"PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV"})
_KEPT_FAMILIES = ("LC_", "OMP_", "MKL_", "KMP_", "OPENBLAS_", "CUDA_", "NVIDIA_", "PYTORCH_", "TORCH_")
_LAGGING = 8
"""Events a reader may leave unread before its previews are dropped."""

_BY_CODE: dict[str, type[errors.PlatformError]] = {
    kind.code: kind
    for kind in (
        errors.InvalidParameter,
        errors.UnsupportedParameter,
        errors.InputImageRefused,
        errors.LoraRefused,
        errors.GenerationFailed,
        errors.OutOfMemory,
        errors.WeightsUnavailable,
    )
}

Inbox = asyncio.Queue[frames.Frame]


class _Reader(asyncio.StreamReader):
    """Lets what came before a broken link be read: the last words of a process say what was on the device."""

    def set_exception(self, exc: Exception) -> None:  # noqa: ARG002
        self.feed_eof()


class Child:
    """One living process. `gone` is set when it has ended, `has_finished` once it has made all of a request."""

    def __init__(self, process: asyncio.subprocess.Process, link: socket.socket, options: EngineOptions) -> None:
        self._process = process
        self._link = link
        self._limit = options.max_frame_bytes
        self._silence_seconds = options.silence_seconds
        self._ask_seconds = min(options.silence_seconds, options.hang_seconds) / 4
        self._numbers = itertools.count(1)
        self._inboxes: dict[int, Inbox] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._writer: asyncio.StreamWriter | None = None
        self.gone = asyncio.Event()
        self.has_finished = False
        self.landlock = 0
        """The version of the kernel's Landlock that confines it; 0 where only the audit hook does."""

    @property
    def pid(self) -> int:
        return self._process.pid

    async def load(self, options: EngineOptions) -> None:
        """Have it load the weights. Raises WeightsUnavailable, or EngineDied where it ends meanwhile."""
        reader = await self._open()
        try:
            self._send(kind="start", options=options.to_json())
            answer = await frames.read(reader, self._limit)
        except (frames.LinkClosed, frames.FrameTooLarge) as error:
            raise errors.EngineDied("The engine process ended while it loaded the weights.") from error
        if answer["kind"] == "unfit":
            raise failure(answer)
        self.landlock = answer["landlock"]
        self._tasks = [asyncio.create_task(self._listen(reader)), asyncio.create_task(self._ask_for_signs())]

    async def _open(self) -> asyncio.StreamReader:
        loop = asyncio.get_running_loop()
        reader = _Reader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.create_unix_connection(lambda: protocol, sock=self._link)
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return reader

    async def generate(self, request: GenerationRequest, inputs: Sequence[Path]) -> AsyncGenerator[Progress, None]:
        """The request's progress; closing it early cancels.

        Raises EngineDied where the process ends; it says whether the request had been on the device by then.
        """
        if self.gone.is_set():
            raise errors.EngineDied(on_device=False)
        number, inbox = next(self._numbers), Inbox()
        self._inboxes[number] = inbox
        paths = [str(path.absolute()) for path in inputs]
        begun = ended = False
        try:
            self._send(kind="generate", number=number, request=request.to_json(), inputs=paths)
            while not ended:
                message = await inbox.get()
                ended = message["kind"] in ("finished", "failed", "died")
                if message["kind"] == "died":
                    raise errors.EngineDied(on_device=begun)
                if message["kind"] == "failed":
                    raise failure(message)
                if message["kind"] == "begun":
                    begun = True
                    continue
                self.has_finished = self.has_finished or ended
                yield event(message)
        finally:
            del self._inboxes[number]
            if not ended and not self.gone.is_set():
                self._send(kind="cancel", number=number)

    async def end(self) -> None:
        """Kill it, and return when nothing of it is left."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if not self._tasks:
            await self._bury()
        # The listener sees the link close and buries it; cancelled halfway, it would leave the link's end unseen.
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bury(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self.gone.set()
        for inbox in self._inboxes.values():
            inbox.put_nowait({"kind": "died"})
        if self._writer is None:
            self._link.close()
            return
        # Not close() and wait_closed(): under uvloop that never returns where a write was still under way.
        self._writer.transport.abort()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Pass on what it says until its link closes, it falls silent or says that it hangs; then bury it."""
        message: frames.Frame = {}
        with contextlib.suppress(frames.LinkClosed, frames.FrameTooLarge, TimeoutError, ValueError):
            while not message.get("hung"):
                async with asyncio.timeout(self._silence_seconds):
                    message = await frames.read(reader, self._limit)
                inbox = self._inboxes.get(message.get("number", 0))
                if inbox is not None and not (message["kind"] == "preview" and inbox.qsize() > _LAGGING):
                    inbox.put_nowait(message)
            log.error("engine_hangs", pid=self.pid, at=message["hung"])
        await self._bury()

    async def _ask_for_signs(self) -> None:
        while not self.gone.is_set():
            await asyncio.sleep(self._ask_seconds)
            self._send(kind="ping")

    def _send(self, **message: Any) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(frames.pack(message, self._limit))


async def spawn(options: EngineOptions) -> Child:
    """Start a process that inherits one end of a socket pair, no other descriptor, no folder and no secret."""
    reach = await asyncio.to_thread(_reach, options)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "fluxhouse.engine.confine", str(theirs.fileno()), *reach),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment(options),
            cwd=os.sep,  # Not where the data may lie: Python looks there.
            start_new_session=True,  # An interrupt at the terminal is for the parent to handle.
        )
    return Child(process, ours, options)


def _reach(options: EngineOptions) -> list[str]:
    """All that the process may read beside libraries; the folders for input files are made where they are missing."""
    for folder in options.readable:
        folder.mkdir(parents=True, exist_ok=True)
    weights = confine.with_targets(options.places)
    return [str(path.absolute()) for path in (*weights, *options.readable)]


def environment(options: EngineOptions) -> dict[str, str]:
    """What the process is told of ours: paths, locale and threads, never keys."""
    kept = {key: value for key, value in os.environ.items() if key in _KEPT or key.startswith(_KEPT_FAMILIES)}
    if options.threads is not None:
        kept["OMP_NUM_THREADS"] = str(options.threads)
    if "PYTHONPATH" in kept:
        # The process starts elsewhere.
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, filter(None, kept["PYTHONPATH"].split(os.pathsep))))
    # Threads that spin for each other stand still where anything else wants a core: steps took eight times as long.
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return kept | {
        "PYTHONSAFEPATH": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "DIFFUSERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "TORCHINDUCTOR_CACHE_DIR": os.sep,  # It insists on a folder that is there; we compile nothing into it.
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def event(message: frames.Frame) -> Progress:
    """A frame about a request as the progress it stands for."""
    fields = {key: value for key, value in message.items() if key not in ("kind", "number")}
    kinds: dict[str, type[Progress]] = {"step": StepDone, "preview": Preview, "image": MadeImage, "finished": Finished}
    return kinds[message["kind"]](**fields)


def failure(message: frames.Frame) -> errors.PlatformError:
    """A frame about a failure as the error it stands for."""
    if message["code"] == errors.EngineDied.code:
        return errors.EngineDied()
    kind = _BY_CODE.get(message["code"], errors.GenerationFailed)
    return kind(message.get("message"), field=message.get("field"))
