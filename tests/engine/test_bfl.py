"""A transformer in BFL's names is the same transformer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

from fluxhouse.engine import bfl

Writer = Callable[[Any], dict[str, torch.Tensor]]


def test_names_come_back_as_diffusers_has_them(in_bfl_names: Writer, random_dev: Path, random_schnell: Path) -> None:
    """Splitting, order and sizes are right for a model of any width, with and without guidance."""
    for folder, guided in ((random_dev, True), (random_schnell, False)):
        model = FluxTransformer2DModel.from_pretrained(folder, subfolder="transformer")
        found = bfl.converted({f"model.diffusion_model.{name}": one for name, one in in_bfl_names(model).items()})
        wanted = model.state_dict()
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
        settings = bfl.settings_of(found, model.config)
        assert settings.pop("guidance_embeds") is guided
        assert settings.pop("axes_dims_rope") == (8, 12, 12)
        assert {name: model.config[name] or 64 for name in settings} == settings


def test_full_width_agrees_with_diffusers(in_bfl_names: Writer) -> None:
    """For FLUX.1's own width diffusers' converter, which knows no other, gives the same."""
    with torch.device("meta"):
        model = FluxTransformer2DModel(num_layers=1, num_single_layers=1, guidance_embeds=True)
    # Meta tensors have no numbers: the shapes alone are compared.
    written = in_bfl_names(model)
    ours = bfl.converted(written)
    theirs = convert_flux_transformer_checkpoint_to_diffusers(dict(written))
    assert {name: one.shape for name, one in ours.items()} == {name: one.shape for name, one in theirs.items()}
    settings = bfl.settings_of(ours, {})
    assert settings["axes_dims_rope"] == (16, 56, 56)
    assert settings["num_attention_heads"] == 24


def test_what_is_no_part_of_flux_is_named(in_bfl_names: Writer, random_dev: Path) -> None:
    """Another tensor, a cut one and a file without its beginning are refused by name."""
    written = in_bfl_names(FluxTransformer2DModel.from_pretrained(random_dev, subfolder="transformer"))
    with pytest.raises(bfl.UnknownName, match=r"double_blocks\.0\.img_attn\.qkv\.scale_weight"):
        bfl.converted(written | {"double_blocks.0.img_attn.qkv.scale_weight": torch.ones(1)})
    with pytest.raises(bfl.UnknownName, match="100 rows"):
        bfl.converted(written | {"single_blocks.0.linear1.weight": torch.ones(100, 64)})
    with pytest.raises(bfl.UnknownName, match=r"img_in\.weight"):
        bfl.converted({"txt_in.weight": torch.ones(1)})
    with pytest.raises(bfl.UnknownName, match="heads of 32"):
        bfl.settings_of(bfl.converted(written), {})
