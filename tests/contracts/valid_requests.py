"""A check that Schemathesis lacks: a valid request for pictures is accepted, as far as a schema can say."""

import schemathesis
from schemathesis import GenerationMode

# A picture or LoRA must exist and be reachable, a host have a public address; and of LoRAs, references and negative
# prompts the document does not say which parameters go together.
LORAS = ("hf_lora", "hf_loras", "lora_weights", "lora_scale", "lora_scales", "customLoras")
OUTSIDE = ("input_image", "image_url", "input_images", "negative_prompt", "true_cfg_scale", "webhook_url", *LORAS)


@schemathesis.check
def valid_requests_are_accepted(context, response, case):
    """Every valid body of run and quote that names nothing outside is answered 200 or 202.

    Or 422, where the tool repeats an idempotency key: that it was used before no schema can say.
    """
    judged = case.operation.path.endswith(("/run", "/quote")) and isinstance(case.body, dict)
    positive = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if judged and positive and all(case.body.get(name) is None for name in OUTSIDE):
        repeated = {422} if "Idempotency-Key" in (case.headers or {}) else set()
        assert response.status_code in {200, 202} | repeated, response.text
