"""FLUX.1 transformers in one file: BFL's names turned into diffusers', with every size taken from the tensors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from fluxhouse.engine.checkpoints import SINGLE_FILE_PREFIX

_OUTER = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in": "time_text_embed.timestep_embedder",
    "vector_in": "time_text_embed.text_embedder",
    "guidance_in": "time_text_embed.guidance_embedder",
    "final_layer.linear": "proj_out",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
}
_LAYERS = {"in_layer": "linear_1", "out_layer": "linear_2"}
_DOUBLE = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
_DOUBLE_SPLIT = {
    "img_attn.qkv": ("attn.to_q", "attn.to_k", "attn.to_v"),
    "txt_attn.qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"),
}
_SINGLE = {
    "modulation.lin": "norm.linear",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
    "linear2": "proj_out",
}
_SINGLE_SPLIT = {"linear1": ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")}
_STANDARD_ROPE = {128: (16, 56, 56)}
"""Axes of the positions by the width of a head; a file does not say them."""


class UnknownName(ValueError):
    """A tensor's name is no part of a FLUX.1 transformer."""


def modules(name: str) -> tuple[str, ...]:
    """Diffusers' modules that BFL's module `name` is made of, in the order of its rows. Raises UnknownName."""
    block = re.fullmatch(r"(double|single)_blocks\.(\d+)\.(.+)", name)
    if block is None:
        outer, _, layer = name.rpartition(".")
        if layer in _LAYERS and outer in _OUTER:
            return (f"{_OUTER[outer]}.{_LAYERS[layer]}",)
        if name in _OUTER:
            return (_OUTER[name],)
        raise UnknownName(name)
    kind, number, rest = block.groups()
    whole, split = (_DOUBLE, _DOUBLE_SPLIT) if kind == "double" else (_SINGLE, _SINGLE_SPLIT)
    prefix = f"transformer_blocks.{number}." if kind == "double" else f"single_transformer_blocks.{number}."
    inner = (whole[rest],) if rest in whole else split.get(rest)
    if inner is None:
        raise UnknownName(name)
    return tuple(prefix + module for module in inner)


def converted(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors of a single file by diffusers' names; names that are diffusers' already stay. Raises UnknownName."""
    plain = {name.removeprefix(SINGLE_FILE_PREFIX): tensor for name, tensor in tensors.items()}
    if "x_embedder.weight" in plain:
        return plain
    if "img_in.weight" not in plain:
        raise UnknownName("img_in.weight is missing")
    width = plain["img_in.weight"].shape[0]
    return {new: part for name, tensor in plain.items() for new, part in _renamed(name, tensor, width)}


def _renamed(name: str, tensor: torch.Tensor, width: int) -> Iterator[tuple[str, torch.Tensor]]:
    module, _, kind = name.rpartition(".")
    kind = {"scale": "weight"}.get(kind, kind)
    if kind not in ("weight", "bias"):
        raise UnknownName(name)
    found = modules(module)
    if module == "final_layer.adaLN_modulation.1":
        # BFL has shift before scale, diffusers scale before shift.
        tensor = torch.cat(tensor.chunk(2)[::-1])
    rows = [width] * 3 + [tensor.shape[0] - 3 * width] * (len(found) - 3) if len(found) > 1 else [tensor.shape[0]]
    if min(rows) < 1 or sum(rows) != tensor.shape[0]:
        raise UnknownName(f"{name} of {tensor.shape[0]} rows, for a width of {width},")
    for new, part in zip(found, torch.split(tensor, rows), strict=True):
        yield f"{new}.{kind}", part


def settings_of(tensors: Mapping[str, torch.Tensor], beside: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the FluxTransformer2DModel that these tensors, in diffusers' names, are of.

    `beside` are the settings of a related transformer: the axes of its positions hold for heads of the same width.
    Raises UnknownName where a size cannot be told.
    """

    def shape(name: str) -> torch.Size:
        if name not in tensors:
            raise UnknownName(f"{name} is missing")
        return tensors[name].shape

    head, width = shape("transformer_blocks.0.attn.norm_q.weight")[0], shape("x_embedder.weight")[0]
    rope = beside["axes_dims_rope"] if beside.get("attention_head_dim") == head else _STANDARD_ROPE.get(head)
    if rope is None:
        raise UnknownName(f"heads of {head} numbers are not FLUX.1's, and no transformer/config.json beside tells more")
    return {
        "in_channels": shape("x_embedder.weight")[1],
        "out_channels": shape("proj_out.weight")[0],
        "num_layers": _blocks(tensors, "transformer_blocks"),
        "num_single_layers": _blocks(tensors, "single_transformer_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shape("context_embedder.weight")[1],
        "pooled_projection_dim": shape("time_text_embed.text_embedder.linear_1.weight")[1],
        "guidance_embeds": "time_text_embed.guidance_embedder.linear_1.weight" in tensors,
        "axes_dims_rope": tuple(rope),
    }


def _blocks(tensors: Mapping[str, torch.Tensor], prefix: str) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith(f"{prefix}.")})
