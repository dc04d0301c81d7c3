"""LoRAs of the account by the synchronous client: listed, registered and let go of."""

# Written by scripts/unasync.py from async_loras.py, which is the one to change.

from __future__ import annotations

from contextlib import suppress

from fluxhouse.client.asking import Call, Content, add_lora, get, segment
from fluxhouse.client.errors import NotFound
from fluxhouse.client.facts import Lora
from fluxhouse.client.reading import lora_of, loras_of
from fluxhouse.client.sync_wire import Wire


class Loras:
    """What a client does with LoRAs; each call raises `FluxhouseError`."""

    _wire: Wire

    def loras(self) -> tuple[Lora, ...]:
        """The account's LoRAs, newest first."""
        return self._wire.ask(get("loras"), loras_of)

    def add_lora(self, source: str | Content, name: str | None = None) -> Lora:
        """Register a LoRA: a file on disk, bytes, an open binary file, or where the server shall fetch it.

        A text that is no file here is such a place, as `hf_lora` takes it. `name` is needed for bytes alone; a file is
        read whole. Registered again it is the same LoRA. Waits up to eleven minutes. Raises `InvalidRequest`, OSError,
        and ValueError for bytes without a name.

        >>> style = client.add_lora("style.safetensors")
        >>> job = client.run("flux-dev", "a harbour at dawn", hf_lora=style, lora_scale=0.8)
        """
        call = add_lora(source, name)
        return self._wire.ask(call, lora_of)

    def remove_lora(self, lora: Lora | str) -> None:
        """Forget a LoRA, given as such or by its id; jobs taken in with it are made all the same. Raises `NotFound`."""
        path = f"loras/{segment(lora if isinstance(lora, str) else lora.id)}"
        self._wire.ask(get(path), lora_of)
        with suppress(NotFound):  # by an earlier attempt whose answer was lost
            self._wire.ask(Call("DELETE", path), lambda body: str(body["loraId"]))
