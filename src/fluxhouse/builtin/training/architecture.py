"""The untrained networks of the built-in model, in diffusers' and transformers' own FLUX classes."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, T5Config, T5EncoderModel, T5Tokenizer

from fluxhouse.builtin.training.growing import COLOURS, average, see_colours
from fluxhouse.builtin.training.sizes import ModelSize


def new_schedule() -> FlowMatchEulerDiscreteScheduler:
    """Sigmas for training and for inference: four times the tokens need noise of twice the strength."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True, base_image_seq_len=64, max_image_seq_len=1024, base_shift=0.5, max_shift=1.5
    )


def new_autoencoder(size: ModelSize) -> AutoencoderTiny:
    """The inner levels of an autoencoder, started as a coarse copy: from a random start, colour comes last and late.

    It has no normalisation, which would wipe out flat pictures. Its first three channels carry the colours: averaged on
    the way in, spread on the way out, unchanged by every residual block.
    """
    vae = AutoencoderTiny(
        encoder_block_out_channels=(size.channels,) * len(size.encoder),
        decoder_block_out_channels=(size.channels,) * len(size.decoder),
        num_encoder_blocks=size.encoder,
        num_decoder_blocks=size.decoder,
        latent_channels=size.latents,
        # Edges come out of smooth slopes sooner than out of blocks.
        upsample_fn="bilinear",
    )
    with torch.no_grad():
        for module in vae.modules():
            if isinstance(module, torch.nn.Conv2d):
                # torch's own start would shrink what passes to a thousandth on the way in and out.
                torch.nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
                _pass_colours(module)
        for module in vae.modules():
            if isinstance(module, AutoencoderTinyBlock):
                module.conv[-1].weight.zero_()
                module.conv[-1].bias.zero_()
        see_colours(vae.encoder.layers[0])
    return vae


def _pass_colours(conv: torch.nn.Conv2d) -> None:
    conv.weight[:COLOURS] = 0.0
    for colour in range(COLOURS):
        if conv.stride == (2, 2):
            average(conv, colour)
        else:
            conv.weight[colour, colour, 1, 1] = 1.0
    if conv.bias is not None:
        conv.bias[:COLOURS] = 0.0


def new_transformer(size: ModelSize) -> FluxTransformer2DModel:
    """FLUX with zeroed modulations and output, so that every block starts as the identity."""
    model = FluxTransformer2DModel(
        in_channels=4 * size.latents,
        num_layers=size.double,
        num_single_layers=size.single,
        attention_head_dim=sum(size.axes),
        num_attention_heads=size.heads,
        joint_attention_dim=size.text,
        pooled_projection_dim=size.text,
        guidance_embeds=True,
        axes_dims_rope=size.axes,
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            modulates = ".linear." in name and "norm" in name
            if modulates or name.startswith("proj_out."):
                parameter.zero_()
            elif parameter.ndim == 2:
                torch.nn.init.xavier_uniform_(parameter)
            elif name.endswith("bias"):
                parameter.zero_()
    return model


def new_clip(size: ModelSize, tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The encoder whose pooled output steers the whole picture."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=size.text,
            intermediate_size=2 * size.text,
            projection_dim=size.text,
            num_hidden_layers=size.clip_layers,
            num_attention_heads=size.text // 32,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_t5(size: ModelSize, tokenizer: T5Tokenizer) -> T5EncoderModel:
    """The encoder whose tokens the picture's tokens attend to."""
    settings: dict[str, Any] = {"d_model": size.text, "d_kv": 32, "d_ff": 2 * size.text, "num_heads": size.text // 32}
    return T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            num_layers=size.t5_layers,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **settings,
        )
    )
