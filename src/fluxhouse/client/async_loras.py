"""LoRAs of the account by the asynchronous client: listed, registered and let go of."""

from __future__ import annotations

from asyncio import to_thread
from contextlib import suppress

from fluxhouse.client.asking import Call, Content, add_lora, get, segment
from fluxhouse.client.async_wire import AsyncWire
from fluxhouse.client.errors import NotFound
from fluxhouse.client.facts import Lora
from fluxhouse.client.reading import lora_of, loras_of


class AsyncLoras:
    """What a client does with LoRAs; each call raises `FluxhouseError`."""

    _wire: AsyncWire

    async def loras(self) -> tuple[Lora, ...]:
        """The account's LoRAs, newest first."""
        return await self._wire.ask(get("loras"), loras_of)

    async def add_lora(self, source: str | Content, name: str | None = None) -> Lora:
        """Register a LoRA: a file on disk, bytes, an open binary file, or where the server shall fetch it.

        A text that is no file here is such a place, as `hf_lora` takes it. `name` is needed for bytes alone; a file is
        read whole. Registered again it is the same LoRA. Waits up to eleven minutes. Raises `InvalidRequest`, OSError,
        and ValueError for bytes without a name.

        >>> style = await client.add_lora("style.safetensors")
        >>> job = await client.run("flux-dev", "a harbour at dawn", hf_lora=style, lora_scale=0.8)
        """
        call = await to_thread(add_lora, source, name)
        return await self._wire.ask(call, lora_of)

    async def remove_lora(self, lora: Lora | str) -> None:
        """Forget a LoRA, given as such or by its id; jobs taken in with it are made all the same. Raises `NotFound`."""
        path = f"loras/{segment(lora if isinstance(lora, str) else lora.id)}"
        await self._wire.ask(get(path), lora_of)
        with suppress(NotFound):  # by an earlier attempt whose answer was lost
            await self._wire.ask(Call("DELETE", path), lambda body: str(body["loraId"]))
