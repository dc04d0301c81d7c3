"""The device's own moods: its errors as ours, waiting for it, and having it give back what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fluxhouse.generation.errors import OutOfMemory


@contextmanager
def device_errors() -> Iterator[None]:
    """Foreign errors of the device as our own: raises OutOfMemory where memory was what it lacked."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise OutOfMemory from error
    except RuntimeError as error:
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise OutOfMemory from error
        raise


def wait_for(device: torch.device) -> None:
    """Return when what this thread has asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()


def empty(device: torch.device) -> None:
    """Have the device give back memory that it keeps for later."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


@contextmanager
def beside(device: torch.device) -> Iterator[None]:
    """Work that the device does beside the steps: on CUDA in a stream of its own, done when the context ends."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        yield
        stream.synchronize()
