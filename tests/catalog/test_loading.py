"""A malformed catalog is refused by file and key."""

import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from fluxhouse.catalog.catalog import Catalog
from fluxhouse.catalog.loading import MalformedCatalog


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped catalog to break."""
    shutil.copytree(Path(str(files("fluxhouse.catalog"))), tmp_path / "catalog")
    return tmp_path / "catalog"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("models/flux-dev.toml", 'price_credits = "1"', "", "flux-dev.toml: price_credits is missing"),
        ("models/flux-dev.toml", 'price_credits = "1"', 'price_credits = "one"', "flux-dev.toml: price_credits"),
        ("models/flux-dev.toml", 'modality = "image"', 'modality = "smell"', "modality must be one of image"),
        ("models/flux-dev.toml", 'id = "flux-dev"', 'id = "flux-def"', "id must be flux-dev"),
        ("models/flux-dev.toml", "gated = true", 'gated = "yes"', "licence.gated must be a bool"),
        ("models/flux-dev.toml", '"prompt"', '"promt"', "parameters names the unknown parameter promt"),
        ("models/flux-dev.toml", '"flux-schnell"', '"flux-snail"', "related names the unknown model flux-snail"),
        ("models/flux-dev.toml", 'name = "FLUX', 'nam = "FLUX', "flux-dev.toml: name is missing"),
        ("models/flux-dev.toml", "[licence]", "[licence", "flux-dev.toml:"),
        ("models/flux-schnell.toml", "maximum = 4", "maxximum = 4", "overrides.num_inference_steps.maxximum is not"),
        ("models/flux.toml", '"raw", ', "", "parameters lacks raw, which flux-1.1-pro-ultra takes"),
        ("parameters.toml", 'type = "integer"', 'type = "int"', "parameters.toml: parameters.num_outputs.type must be"),
        ("parameters.toml", "default = 80", "default = 800", "parameters.output_quality.default"),
        ("parameters.toml", "[1344, 768]", "[1344, 0]", "parameters.toml: ratios.16:9 must be two"),
    ],
)
def test_a_mistake_is_named_by_file_and_key(folder, file, old, new, message):
    """Loading fails loudly, so that a wrong catalog never serves."""
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(MalformedCatalog) as caught:
        Catalog.load(folder)
    assert message in str(caught.value)


def test_the_copy_itself_loads(folder):
    """Without a mistake the folder gives the shipped models."""
    assert [model.id for model in Catalog.load(folder).models] == [model.id for model in Catalog.load().models]
