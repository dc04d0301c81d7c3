"""What is told of a LoRA file by names and shapes alone, before anybody reads a number of it."""

import json

import pytest

from fluxhouse.generation.errors import LoraRefused
from fluxhouse.generation.lora_layout import Tensor, layout_of


def tensors(module="transformer.x_embedder", up="lora_B", down="lora_A", dtype="BF16", rank=4):
    return {
        f"{module}.{down}.weight": Tensor(dtype, (rank, 64)),
        f"{module}.{up}.weight": Tensor(dtype, (3072, rank)),
    }


def refusal(content, metadata=None):
    with pytest.raises(LoraRefused) as caught:
        layout_of(content, metadata or {})
    assert caught.value.code == "invalid_lora"
    return caught.value.message


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (tensors(), "peft"),
        (tensors("lora_unet_img_in", "lora_up", "lora_down"), "kohya"),
        (tensors("lora_transformer_x_embedder", "lora_up", "lora_down"), "kohya"),
        (tensors("double_blocks.0.processor.proj_lora1", "up", "down"), "xlabs"),
        (tensors("diffusion_model.img_in", "lora_up", "lora_down"), "bfl"),
    ],
)
def test_the_format_is_told_by_the_names(content, name):
    """One pair in each spelling."""
    layout = layout_of(content, {})
    assert (layout.format, len(layout.pairs), layout.ignored) == (name, 1, ())


@pytest.mark.parametrize(
    "name",
    ["lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha", "text_encoder.text_model.q.lora_A.weight",
     "text_encoders.t5xxl.transformer.x.lora_up.weight", "bundle_emb.ohwx.clip_l", "lora_te2_x.dora_scale"],
)  # fmt: skip
def test_parts_for_the_text_encoders_are_left_out(name):
    """Named in the layout; a file with nothing else is refused."""
    part = {name: Tensor("F16", (1,))}
    assert layout_of(tensors() | part, {}).ignored == (name,)
    assert "only parts for the text encoders" in refusal(part)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ("transformer.x_embedder.lora_magnitude_vector", "DoRA"),
        ("lora_unet_img_in.dora_scale", "DoRA"),
        ("lora_unet_img_in.lokr_w1", "LoKr"),
        ("lora_unet_img_in.hada_w1_a", "LoHa"),
        ("diffusion_model.img_in.diff", "full weight differences"),
        ("diffusion_model.img_in.diff_b", "full weight differences"),
        ("img_in.lora_B.bias", "differences of biases"),
        ("double_blocks.0.img_attn.norm.query_norm.scale", "a control model's replaced norms"),
        ("transformer.x_embedder.weight", "part of no LoRA format known here"),
        ("transformer.x_embedder.lora_C.weight", "part of no LoRA format known here"),
        ("lora_unet_input_blocks_1_1_proj_in.alpha", "which no FLUX.1 transformer has"),
        ("transformer_blocks.0.attn.to_q.alpha", "lacks its down weights"),
        ("base_model.model.x_embedder.lora_A.weight", "lacks its up weights"),
    ],
)
def test_what_is_no_plain_pair_is_refused_by_name(extra, says):
    """The message says what it is and which tensor shows it."""
    message = refusal(tensors() | {extra: Tensor("F32", (4, 4))})
    assert says in message
    assert extra.partition(".lora_A")[0].removesuffix(".alpha") in message


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "no LoRA in it"),
        (tensors() | tensors("img_in"), "changes `x_embedder` twice"),
        (tensors() | tensors(up="lora_up", down="lora_down"), "gives the same part twice"),
        (tensors(dtype="I8"), "stored as I8"),
        (tensors() | {"transformer.x_embedder.lora_B.weight": Tensor("BF16", (3072, 5))}, "rank 4 going down and 5"),
        (tensors() | {"transformer.x_embedder.lora_B.weight": Tensor("BF16", (3072, 4, 1, 1))}, "[3072, 4, 1, 1]"),
        (tensors(rank=0), "not that of a matrix"),
        (tensors() | {"transformer.x_embedder.alpha": Tensor("F32", (2,))}, "must be one number"),
        (tensors() | {"transformer.x_embedder.alpha": Tensor("BOOL", ())}, "must be one number"),
    ],
)  # fmt: skip
def test_pairs_that_do_not_fit_together_are_refused(content, says):
    """Ranks, shapes, types and doubles."""
    assert says in refusal(content)


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"lora_alpha": "x"}', '{"alpha_pattern": [1]}', '{"lora_alpha": 1e999}', "[" * 100_000,
     '{"alpha_pattern": 5}', f'{{"lora_alpha": 1{"0" * 400}}}', f'{{"alpha_pattern": {{"a": 1{"0" * 400}}}}}',
     json.dumps({"alpha_pattern": {str(n): 1 for n in range(2001)}})],
    ids=range(10),
)  # fmt: skip
def test_metadata_that_peft_does_not_write_are_refused(text):
    """Not passed over: they may say how strongly the LoRA counts."""
    assert "metadata" in refusal(tensors(), {"lora_adapter_metadata": text})


def test_the_alpha_that_the_pattern_names_first_counts():
    """By a module's whole name or the end of one, as peft matches them; no name ends within a word."""
    content = tensors("transformer.transformer_blocks.0.attn.to_q") | tensors("transformer.x_embedder")
    for pattern, strengths in (
        ({"to_q": 2, "attn.to_q": 6}, [0.5, 2.0]),
        ({"transformer_blocks.0.attn.to_q": 6, "to_q": 2, "embedder": 1}, [1.5, 2.0]),
        ({"x_embedder": 1, "": 3}, [2.0, 0.25]),
    ):
        metadata = {"lora_adapter_metadata": json.dumps({"lora_alpha": 8, "alpha_pattern": pattern})}
        assert [pair.strength for pair in layout_of(content, metadata).pairs] == strengths


def test_dora_is_also_told_by_its_metadata():
    """Where the file lacks the tensors that would show it."""
    metadata = {"lora_adapter_metadata": json.dumps({"transformer.use_dora": True})}
    assert "DoRA" in refusal(tensors(), metadata)


def test_the_text_encoders_metadata_are_not_the_transformers():
    """Each part of a file has its own alpha."""
    metadata = {"lora_adapter_metadata": json.dumps({"text_encoder.lora_alpha": 9, "transformer.lora_alpha": 2})}
    assert layout_of(tensors(), metadata).pairs[0].strength == 0.5


def test_a_strangers_name_is_shown_safely():
    """At most 120 characters of it, in ASCII, without the quotes that frame it."""
    message = refusal({"a`é" + "x" * 500 + ".weight": Tensor("F32", (1,))})
    assert "`a'?" in message
    assert len(message) < 250
