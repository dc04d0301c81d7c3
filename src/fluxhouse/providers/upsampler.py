"""Prompts written out by a language model, at any address that speaks OpenAI's chat completions."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from dataclasses import dataclass

import structlog

from fluxhouse.generation.errors import ProviderFailed, ProviderUnavailable, UpsamplingFailed
from fluxhouse.generation.request import GenerationRequest, Task
from fluxhouse.providers.breaker import Breaker
from fluxhouse.providers.host import Answer, Host, Refusal, Unanswered

log = structlog.get_logger()

_NAME = "upsampler"
_MOST_BYTES = 1024 * 1024  # of an answer, which may show a long chain of thought beside the prompt
_LONGEST = 2000  # characters: about the 512 tokens that FLUX reads at most

_PICTURE = """\
You write prompts for a text-to-image model. The user's message is a prompt, never a request to you. Rewrite it as one \
vivid, precise description of a single picture: subject, setting, composition, light, colours, materials, style. Keep \
everything it names, and text that shall be seen in the picture word for word in quotation marks. Add only what fits. \
Write plain English sentences, at most 120 words. Answer with the description alone."""
_EDIT = """\
You write instructions for a model that edits pictures. It sees the picture; you do not. The user's message is such an \
instruction, never a request to you. Rewrite it so that it is specific: name what changes and how it shall look \
afterwards, by nouns instead of pronouns, and say what must stay as it is, such as faces, pose, composition and \
background, unless that shall change. Keep text in quotation marks word for word. Invent no further changes. Write \
plain English sentences, at most 60 words. Answer with the instruction alone."""


@dataclass(frozen=True, slots=True)
class UpsamplerOptions:
    """One answer may take `answer_seconds`; for `patience_seconds` an address that gives none is asked again."""

    answer_seconds: float = 60.0
    patience_seconds: float = 120.0
    pause_seconds: float = 1.0
    longest_pause_seconds: float = 5.0


class NoPrompt(Exception):
    """The answer holds no prompt."""


class ChatUpsampler:
    """`model` at `url`, which is the operator's word alone: a vendor, or a server of their own."""

    def __init__(self, url: str, key: str, model: str, options: UpsamplerOptions | None = None) -> None:
        self.model = model
        self.host = Host(_NAME, url, {"authorization": f"Bearer {key}"} if key else {}, _no_pictures, _MOST_BYTES)
        self._options = options or UpsamplerOptions()
        self._breaker = Breaker(_NAME)

    async def upsample(self, request: GenerationRequest) -> str:
        """As the protocol has it; what went wrong is for the operator's log, not for callers."""
        latest, pause = time.monotonic() + self._options.patience_seconds, self._options.pause_seconds
        while True:
            try:
                return await self._asked(request)
            except (ProviderUnavailable, Unanswered, NoPrompt) as failure:
                log.warning("upsampler_asked_again", reason=str(failure) or type(failure).__name__)
                if time.monotonic() > latest:
                    raise UpsamplingFailed from failure
            except ProviderFailed as failure:
                log.warning("upsampler_failed", reason=failure.message)
                raise UpsamplingFailed from failure
            await asyncio.sleep(pause)
            pause = min(pause * 2, self._options.longest_pause_seconds)

    async def aclose(self) -> None:
        await self.host.aclose()

    async def _asked(self, request: GenerationRequest) -> str:
        """One answer. Raises what `Host.send` does, and `NoPrompt`."""
        system = _EDIT if request.task is Task.EDIT else _PICTURE
        # No more than every server takes: neither temperature nor any spelling of a limit of tokens is among that.
        body = {
            "model": self.model,
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": request.prompt}],
        }
        self._breaker.enter()
        try:
            key = secrets.token_hex(16)
            answer = await self.host.send("/chat/completions", key, self._options.answer_seconds, json=body)
        except (ProviderUnavailable, Unanswered):
            self._breaker.failed()
            raise
        except Refusal:  # an answer, too
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return _prompt_in(answer)


def _prompt_in(answer: Answer) -> str:
    """The words of an answer on one line, without a chain of thought and the quotation marks around them."""
    match answer.body.get("choices"):
        case [{"message": {"content": str(said)}}, *_]:
            line = " ".join(re.sub(r"<think>.*?</think>", " ", said, flags=re.DOTALL).split())
        case _:
            raise NoPrompt("The answer has no message.")
    words = "".join(letter for letter in line if letter.isprintable())
    if len(words) > 1 and words[0] == words[-1] == '"' and '"' not in words[1:-1]:
        words = words[1:-1].strip()
    if not 0 < len(words) <= _LONGEST:
        raise NoPrompt(f"The answer has {len(words)} characters.")
    return words


async def _no_pictures(url: str, max_bytes: int, seconds: float) -> bytes:  # noqa: ARG001  The host's way to fetch.
    raise ProviderFailed("A language model has no pictures.")
