"""How trainers of LoRAs spell the layers of a FLUX.1 transformer, and which diffusers modules are meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Modules = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """Linear modules by diffusers' names that a trainer treats as one, their output rows following each other.

    `halves_swapped`: the original code puts shift before scale, diffusers scale before shift.
    """

    modules: Modules
    halves_swapped: bool = False


_IMAGE_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
_TEXT_QKV = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

# Names with underscores, since Kohya's trainer writes no dots; block names without their number.
_DOUBLE: Mapping[str, Modules] = {
    "img_attn_qkv": _IMAGE_QKV,
    "txt_attn_qkv": _TEXT_QKV,
    "img_attn_proj": ("attn.to_out.0",),
    "txt_attn_proj": ("attn.to_add_out",),
    "img_mlp_0": ("ff.net.0.proj",),
    "img_mlp_2": ("ff.net.2",),
    "txt_mlp_0": ("ff_context.net.0.proj",),
    "txt_mlp_2": ("ff_context.net.2",),
    "img_mod_lin": ("norm1.linear",),
    "txt_mod_lin": ("norm1_context.linear",),
    "processor_qkv_lora1": _IMAGE_QKV,
    "processor_qkv_lora2": _TEXT_QKV,
    "processor_proj_lora1": ("attn.to_out.0",),
    "processor_proj_lora2": ("attn.to_add_out",),
}
_SINGLE: Mapping[str, Modules] = {
    "linear1": (*_IMAGE_QKV, "proj_mlp"),
    "linear2": ("proj_out",),
    "modulation_lin": ("norm.linear",),
    "processor_qkv_lora": _IMAGE_QKV,
    "processor_proj_lora": ("proj_out",),
}
_AROUND: Mapping[str, Modules] = {
    "img_in": ("x_embedder",),
    "txt_in": ("context_embedder",),
    "time_in_in_layer": ("time_text_embed.timestep_embedder.linear_1",),
    "time_in_out_layer": ("time_text_embed.timestep_embedder.linear_2",),
    "vector_in_in_layer": ("time_text_embed.text_embedder.linear_1",),
    "vector_in_out_layer": ("time_text_embed.text_embedder.linear_2",),
    "guidance_in_in_layer": ("time_text_embed.guidance_embedder.linear_1",),
    "guidance_in_out_layer": ("time_text_embed.guidance_embedder.linear_2",),
    "final_layer_linear": ("proj_out",),
    "final_layer_adaLN_modulation_1": ("norm_out.linear",),
}
_SWAPPED = "final_layer_adaLN_modulation_1"


def _with_diffusers_own(original: Mapping[str, Modules]) -> Mapping[str, Modules]:
    return {**original, **{_flat(name): (name,) for modules in original.values() for name in modules}}


def _flat(name: str) -> str:
    return name.replace(".", "_")


_BLOCKS: Mapping[str, tuple[str, Mapping[str, Modules]]] = {
    "double_blocks": ("transformer_blocks", _DOUBLE),
    "single_blocks": ("single_transformer_blocks", _SINGLE),
    "transformer_blocks": ("transformer_blocks", _with_diffusers_own(_DOUBLE)),
    "single_transformer_blocks": ("single_transformer_blocks", _with_diffusers_own(_SINGLE)),
}
_ALL_AROUND = _with_diffusers_own(_AROUND)
_BLOCK = re.compile(rf"({'|'.join(_BLOCKS)})_(\d{{1,4}})_(.+)")
_PREFIXES = ("base_model.model.", "model.diffusion_model.", "diffusion_model.", "transformer.", "unet.")
_KOHYA = ("lora_unet_", "lora_transformer_")
_BFL = (
    "double_blocks.",
    "single_blocks.",
    "img_in",
    "txt_in",
    "time_in.",
    "vector_in.",
    "guidance_in.",
    "final_layer.",
)
_TEXT_ENCODERS = ("lora_te", "text_encoder", "text_model.", "bundle_emb.", "clip_l.", "t5xxl.")


def layer_of(module: str) -> Layer | None:
    """What a file means by `module`; None where it is no layer of a FLUX.1 transformer."""
    flat = _flat(_without_prefixes(module))
    block = _BLOCK.fullmatch(flat)
    if block is None:
        around = _ALL_AROUND.get(flat)
        return None if around is None else Layer(around, halves_swapped=flat == _SWAPPED)
    folder, table = _BLOCKS[block[1]]
    inside = table.get(block[3])
    return None if inside is None else Layer(tuple(f"{folder}.{int(block[2])}.{name}" for name in inside))


def is_text_encoders(name: str) -> bool:
    """Whether a tensor is for one of the text encoders, or an embedding for them."""
    return _without_prefixes(name).startswith(_TEXT_ENCODERS)


def format_of(modules: Iterable[str]) -> str:
    """The name of the format in which modules are spelled so: `kohya`, `xlabs`, `bfl` or `peft`."""
    spelled = list(modules)
    if any(module.startswith(_KOHYA) for module in spelled):
        return "kohya"
    if any(".processor." in module for module in spelled):
        return "xlabs"
    return "bfl" if any(_without_prefixes(module).startswith(_BFL) for module in spelled) else "peft"


def _without_prefixes(module: str) -> str:
    for prefix in _PREFIXES:
        module = module.removeprefix(prefix)
    for prefix in _KOHYA:
        module = module.removeprefix(prefix)
    return module
