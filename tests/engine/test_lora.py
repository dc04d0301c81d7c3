"""LoRA files in every format against peft, diffusers' own converters, and what their numbers say."""

import copy
from collections import defaultdict

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from diffusers.loaders import lora_conversion_utils as oracle
from peft import LoraConfig, get_peft_model_state_dict
from safetensors.torch import save_file

from fluxhouse.engine.lora import AdapterCache, linear_shapes, load_adapter
from fluxhouse.generation.errors import LoraRefused

WIDE = 3072  # the width that diffusers' converter of Kohya's format takes for granted


@pytest.fixture(scope="module")
def transformer():
    torch.manual_seed(7)
    return FluxTransformer2DModel(
        in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=20, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip


@pytest.fixture(scope="module")
def shapes(transformer):
    return linear_shapes(transformer)


@pytest.fixture
def wide_shapes():
    """Two blocks of the real FLUX.1, by their sizes alone."""
    attention = ["to_q", "to_k", "to_v", "to_out.0", "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out"]
    double = {f"transformer_blocks.0.attn.{name}": (WIDE, WIDE) for name in attention}
    double |= {"transformer_blocks.0.norm1.linear": (6 * WIDE, WIDE), "transformer_blocks.0.ff.net.2": (WIDE, 4 * WIDE)}
    single = {f"single_transformer_blocks.0.attn.{name}": (WIDE, WIDE) for name in attention[:3]}
    single |= {
        "single_transformer_blocks.0.proj_mlp": (4 * WIDE, WIDE),
        "single_transformer_blocks.0.proj_out": (WIDE, 5 * WIDE),
    }
    return double | single | {"norm_out.linear": (2 * WIDE, WIDE), "proj_out": (64, WIDE)}


def pair(height, width, rank=2, up="lora_up", down="lora_down"):
    return {f"{down}.weight": torch.randn(rank, width), f"{up}.weight": torch.randn(height, rank)}


def written(path, layers, metadata=None):
    """A file of (module, pair) entries."""
    tensors = {f"{module}.{name}": tensor for module, parts in layers.items() for name, tensor in parts.items()}
    save_file(tensors, path, metadata)
    return path


def products(deltas):
    return {name: up @ down for name, (down, up) in deltas.items()}


def assert_same(found, expected, tolerance=1e-5):
    assert found.keys() == expected.keys()
    for name, product in expected.items():
        torch.testing.assert_close(found[name], product, rtol=tolerance, atol=tolerance, msg=name)


def refusal(path, shapes):
    with pytest.raises(LoraRefused) as caught:
        load_adapter(path, shapes)
    return caught.value.message


def diffusers_products(state):
    """Of a converted state dict, B @ A by module."""
    pairs = defaultdict(dict)
    for name, tensor in state.items():
        module, _, part = name.removeprefix("transformer.").partition(".lora_")
        pairs[module][part[0]] = tensor
    return {module: found["B"] @ found["A"] for module, found in pairs.items()}


@pytest.mark.parametrize("rooted", [False, True])
def test_pefts_own_files_change_the_model_as_peft_does(transformer, shapes, tmp_path, rooted):
    """Every linear layer, one rank of its own, alpha from the file's metadata: the deltas are those peft adds."""
    model = copy.deepcopy(transformer)
    config = LoraConfig(
        r=4, lora_alpha=2, target_modules=[f"{name}" for name in shapes], use_rslora=rooted,
        rank_pattern={"x_embedder": 3}, alpha_pattern={"transformer_blocks.0.attn.to_q": 7}, init_lora_weights=False,
    )  # fmt: skip
    model.add_adapter(config)
    FluxPipeline.save_lora_weights(
        tmp_path, get_peft_model_state_dict(model, adapter_name="default"),
        transformer_lora_adapter_metadata={**config.to_dict(), "target_modules": None},
    )  # fmt: skip
    adapter = load_adapter(tmp_path / "pytorch_lora_weights.safetensors", shapes)
    layers = {name: found for name, found in model.named_modules() if hasattr(found, "get_delta_weight")}
    assert_same(products(adapter.deltas), {name: found.get_delta_weight("default") for name, found in layers.items()})
    assert len(layers) == len(shapes)


def test_without_alpha_a_pair_counts_once_whatever_its_rank(shapes, tmp_path):
    """Mixed ranks keep their strength, with and without the prefix, and in peft's naming of adapters."""
    names = ["transformer_blocks.0.attn.to_q", "single_transformer_blocks.1.proj_out", "x_embedder"]
    spelled = [f"transformer.{names[0]}", names[1], f"base_model.model.{names[2]}"]
    pairs = [pair(*shapes[name], rank=2 + n, up="lora_B", down="lora_A") for n, name in enumerate(names)]
    pairs[2] = {name.replace(".weight", ".default.weight"): tensor for name, tensor in pairs[2].items()}
    adapter = load_adapter(written(tmp_path / "a", dict(zip(spelled, pairs, strict=True))), shapes)
    expected = {name: up @ down for name, (down, up) in zip(names, (parts.values() for parts in pairs), strict=True)}
    assert_same(products(adapter.deltas), expected)


KOHYA = {
    "lora_unet_double_blocks_0_img_attn_qkv": (3 * WIDE, WIDE),
    "lora_unet_double_blocks_0_txt_attn_qkv": (3 * WIDE, WIDE),
    "lora_unet_double_blocks_0_img_attn_proj": (WIDE, WIDE),
    "lora_unet_double_blocks_0_txt_attn_proj": (WIDE, WIDE),
    "lora_unet_double_blocks_0_img_mlp_2": (WIDE, 4 * WIDE),
    "lora_unet_double_blocks_0_img_mod_lin": (6 * WIDE, WIDE),
    "lora_unet_single_blocks_0_linear1": (7 * WIDE, WIDE),
    "lora_unet_single_blocks_0_linear2": (WIDE, 5 * WIDE),
}


def test_kohyas_files_are_read_as_diffusers_reads_them(wide_shapes, tmp_path):
    """Fused layers are split, alpha counts, the last layer's halves are exchanged; the text encoder's part is left."""
    torch.manual_seed(3)
    layers = {module: pair(*shape) | {"alpha": torch.tensor(1.5)} for module, shape in KOHYA.items()}
    last = {"lora_unet_final_layer_adaLN_modulation_1": pair(2 * WIDE, WIDE)}
    layers["lora_te1_text_model_encoder_layers_0_mlp_fc1"] = pair(8, 8) | {"alpha": torch.tensor(1.0)}
    adapter = load_adapter(written(tmp_path / "a", layers | last), wide_shapes)
    converted = oracle._convert_kohya_flux_lora_to_diffusers(
        {f"{module}.{name}": tensor for module, parts in (layers | last).items() for name, tensor in parts.items()}
    )
    expected = diffusers_products({name: t for name, t in converted.items() if not name.startswith("text_encoder")})
    assert_same(products(adapter.deltas), expected, 1e-4)


def test_a_fused_pair_that_is_three_in_one_is_taken_apart(shapes, tmp_path):
    """Three pairs that Kohya's trainer wrote as one block-diagonal pair cost their own rank each, and not three."""
    height, width = shapes["transformer_blocks.0.attn.to_q"]
    pairs = [(torch.randn(2, width), torch.randn(height, 2)) for _ in range(3)]
    fused = {
        "lora_down.weight": torch.cat([down for down, _ in pairs]),
        "lora_up.weight": torch.block_diag(*[up for _, up in pairs]),
    }
    path = written(tmp_path / "a", {"lora_unet_double_blocks_0_img_attn_qkv": fused})
    deltas = load_adapter(path, shapes).deltas
    names = [f"transformer_blocks.0.attn.to_{letter}" for letter in "qkv"]
    assert_same(products(deltas), {name: up @ down for name, (down, up) in zip(names, pairs, strict=True)})
    assert {len(down) for down, _ in deltas.values()} == {2}


def test_xlabs_files_are_read_as_diffusers_reads_them(shapes, tmp_path):
    """Both streams' qkv and projections, and the single blocks', on the tiny model."""
    height, width = shapes["transformer_blocks.1.attn.to_q"]
    mlp = shapes["single_transformer_blocks.1.proj_out"][1]
    layers = {
        f"double_blocks.1.processor.{name}{stream}": pair(
            (3 if name == "qkv_lora" else 1) * height, width, 2, "up", "down"
        )
        for name in ("qkv_lora", "proj_lora")
        for stream in (1, 2)
    }
    layers["single_blocks.1.processor.qkv_lora"] = pair(3 * height, width, 2, "up", "down")
    layers["single_blocks.1.processor.proj_lora"] = pair(height, mlp, 2, "up", "down")
    path = written(tmp_path / "a", layers)
    state = {f"{module}.{name}": tensor for module, parts in layers.items() for name, tensor in parts.items()}
    expected = diffusers_products(oracle._convert_xlabs_flux_lora_to_diffusers(state))
    assert_same(products(load_adapter(path, shapes).deltas), expected)
    assert len(expected) == 12


@pytest.mark.parametrize("prefix", ["", "diffusion_model.", "base_model.model."])
def test_bfls_spelling_means_the_same_layers_as_kohyas(shapes, tmp_path, prefix):
    """The original code's names, with dots, are those of Kohya's trainer without."""
    inner = shapes["transformer_blocks.0.attn.to_q"][0]
    sizes = {
        "double_blocks.1.img_attn.qkv": (3 * inner, inner),
        "double_blocks.1.txt_mlp.0": (4 * inner, inner),
        "double_blocks.0.txt_mod.lin": (6 * inner, inner),
        "single_blocks.0.linear1": (7 * inner, inner),
        "single_blocks.0.modulation.lin": (3 * inner, inner),
        "img_in": shapes["x_embedder"],
        "txt_in": shapes["context_embedder"],
        "time_in.in_layer": shapes["time_text_embed.timestep_embedder.linear_1"],
        "vector_in.out_layer": shapes["time_text_embed.text_embedder.linear_2"],
        "guidance_in.in_layer": shapes["time_text_embed.guidance_embedder.linear_1"],
        "final_layer.adaLN_modulation.1": shapes["norm_out.linear"],
        "final_layer.linear": shapes["proj_out"],
    }
    pairs = {module: pair(*shape, up="lora_B", down="lora_A") for module, shape in sizes.items()}
    dotted = written(tmp_path / "a", {f"{prefix}{module}": parts for module, parts in pairs.items()})
    flat = {f"lora_unet_{module.replace('.', '_')}": parts for module, parts in pairs.items()}
    found = products(load_adapter(dotted, shapes).deltas)
    assert_same(found, products(load_adapter(written(tmp_path / "b", flat), shapes).deltas))
    assert len(found) == len(sizes) + 2 + 3
    up, down = (
        pairs["final_layer.adaLN_modulation.1"]["lora_B.weight"],
        pairs["final_layer.adaLN_modulation.1"]["lora_A.weight"],
    )
    torch.testing.assert_close(found["norm_out.linear"][:inner], up[inner:] @ down)


def test_half_precision_is_read_in_full(shapes, tmp_path):
    """bf16 files come out in the type that is asked, alpha folded in full precision."""
    layer = {name: tensor.bfloat16() for name, tensor in pair(*shapes["x_embedder"]).items()}
    path = written(tmp_path / "a", {"lora_unet_img_in": layer | {"alpha": torch.tensor(3, dtype=torch.int64)}})
    ((down, up),) = load_adapter(path, shapes).deltas.values()
    assert (down.dtype, up.dtype) == (torch.float32, torch.float32)
    torch.testing.assert_close(up, layer["lora_up.weight"].float() * 1.5)
    ((down, _),) = load_adapter(path, shapes, dtype=torch.bfloat16).deltas.values()
    assert down.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ({"transformer.x_embedder": pair(5, 16)}, "`x_embedder` maps 16 to 5 channels, this model 16 to 32"),
        ({"transformer.x_embedder": pair(32, 9)}, "`x_embedder` maps 9 to 32"),
        ({"transformer.transformer_blocks.7.attn.to_q": pair(32, 32)}, "`transformer_blocks.7.attn.to_q`, which this"),
        ({"lora_unet_single_blocks_0_linear1": pair(6 * 32, 32)}, "maps 32 to 192 channels, this model 32 to 224"),
        ({"transformer.x_embedder": {n: t * float("inf") for n, t in pair(32, 16).items()}}, "not finite"),
        ({"transformer.x_embedder": pair(32, 16) | {"alpha": torch.tensor(float("nan"))}}, "not finite"),
        ({"transformer.x_embedder": {n: t.to(torch.int32) for n, t in pair(32, 16).items()}}, "stored as I32"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_model_is_refused_by_name(shapes, tmp_path, layers, says):
    """Sizes, missing modules, and numbers that would spoil every picture."""
    assert says in refusal(written(tmp_path / "a", layers), shapes)


def test_a_damaged_file_is_refused(shapes, tmp_path):
    """Cut short, no safetensors at all, and not there."""
    whole = written(tmp_path / "a", {"transformer.x_embedder": pair(32, 16)}).read_bytes()
    for content in (whole[:-1], b"", b"PK\x03\x04" + bytes(100)):
        (tmp_path / "b").write_bytes(content)
        assert "cannot be read" in refusal(tmp_path / "b", shapes)
    assert "cannot be read" in refusal(tmp_path / "none", shapes)


def test_the_cache_keeps_who_was_used_last(shapes, tmp_path):
    """Within its budget an adapter is loaded once; the least recently used goes, and a giant is not kept at all."""
    paths = [written(tmp_path / name, {"transformer.x_embedder": pair(32, 16)}) for name in "abc"]
    one = load_adapter(paths[0], shapes).size_bytes
    assert one == 4 * 2 * (32 + 16)
    cache = AdapterCache(2 * one)
    first, second = cache.get(paths[0], shapes), cache.get(paths[1], shapes)
    assert cache.get(paths[0], shapes) is first
    cache.get(paths[2], shapes)
    assert (cache.get(paths[0], shapes) is first, cache.size_bytes) == (True, 2 * one)
    assert cache.get(paths[1], shapes) is not second
    assert AdapterCache(one - 1).get(paths[0], shapes).deltas.keys() == {"x_embedder"}


def test_one_file_has_an_adapter_for_each_model(shapes, tmp_path):
    """The same content for a transformer of other layers is another adapter."""
    cache = AdapterCache(10**6)
    path = written(tmp_path / "a", {"transformer.x_embedder": pair(32, 16)})
    cache.get(path, shapes)
    with pytest.raises(LoraRefused):
        cache.get(path, {"x_embedder": (32, 17)})
