"""`fluxhouse models doctor` says what is here, how large it is, and whether it fits."""

import json

from fluxhouse import builtin


def filled(folder, numbers):
    """The checkpoint with a transformer of so many float32 numbers, which are not written."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    file = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with file.open("ab") as opened:
        opened.truncate(8 + len(header) + 4 * numbers)
    return folder


def test_sizes_are_told(fluxhouse, bare_checkpoint, monkeypatch):
    """On disk and in memory, in the type of the device."""
    folder = filled(bare_checkpoint("dev"), 3_000_000)
    monkeypatch.setenv("FLUXHOUSE_MODELS", f"flux-dev={folder},flux-krea-dev={folder},*=testcard")
    monkeypatch.setenv("FLUXHOUSE_MODEL_BYTES", "1GB")
    found = fluxhouse("models", "doctor")
    assert found.code == 0
    assert f"flux-dev, flux-krea-dev: {folder}, 12.0 MB on disk, 12.0 MB in memory as float32" in found.out
    assert "12.0 MB for all models on cpu, which may take 1.0 GB" in found.out
    monkeypatch.setenv("FLUXHOUSE_DEVICE", "cuda")
    assert "6.0 MB in memory as bfloat16" in fluxhouse("models", "doctor").out


def test_what_does_not_fit_is_fatal(fluxhouse, bare_checkpoint, monkeypatch):
    """One that can never be loaded fails the examination, several that fit only one by one take turns."""
    small, large = filled(bare_checkpoint("small"), 2_000_000), filled(bare_checkpoint("large"), 3_000_000)
    monkeypatch.setenv("FLUXHOUSE_MODELS", f"flux-dev={small},flux-schnell={large}")
    monkeypatch.setenv("FLUXHOUSE_MODEL_BYTES", "15MB")
    turns = fluxhouse("models", "doctor")
    assert (turns.code, "20.0 MB for all models" in turns.out, "they take turns" in turns.out) == (0, True, True)
    monkeypatch.setenv("FLUXHOUSE_MODEL_BYTES", "10MB")
    for command in (("models", "doctor"), ("doctor",)):
        found = fluxhouse(*command)
        assert found.code == 1
        assert "there are 10.0 MB for models" in found.out


def test_what_is_not_here_is_fatal(fluxhouse, monkeypatch):
    """A repository that was not pulled comes with the command that brings it."""
    monkeypatch.setenv("FLUXHOUSE_MODELS", "flux-dev=house/none")
    found = fluxhouse("models", "doctor")
    assert found.code == 1
    assert "run `fluxhouse models pull house/none`" in found.out


def test_the_built_in_model_needs_nothing(fluxhouse, monkeypatch):
    """It is there as installed, whole and small."""
    monkeypatch.delenv("FLUXHOUSE_MODELS")
    found = fluxhouse("models", "doctor")
    assert found.code == 0
    assert f"every model: {builtin.FOLDER}, 1" in found.out


def test_a_safety_checker_is_told_and_counted(fluxhouse, bare_checkpoint, bare_checker, monkeypatch):
    """With its sizes, which leave the less for models; one that is not fit fails the examination."""
    monkeypatch.setenv("FLUXHOUSE_MODELS", f"flux-dev={filled(bare_checkpoint('dev'), 3_000_000)}")
    monkeypatch.setenv("FLUXHOUSE_MODEL_BYTES", "13MB")
    monkeypatch.setenv("FLUXHOUSE_SAFETY_CHECKER", str(bare_checker))
    assert "looks at every picture" in fluxhouse("models", "doctor").out
    header = json.dumps({"a": {"dtype": "F16", "shape": [500_000], "data_offsets": [0, 1_000_000]}}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(1_000_000)
    (bare_checker / "model.safetensors").write_bytes(content)
    found = fluxhouse("models", "doctor")
    assert (found.code, "1.0 MB on disk, 2.0 MB in memory" in found.out, "11.0 MB for models" in found.out) == (
        1,
        True,
        True,
    )
    monkeypatch.setenv("FLUXHOUSE_SAFETY_CHECKER", "house/none")
    for command in (("models", "doctor"), ("doctor",)):
        found = fluxhouse(*command)
        assert (found.code, "run `fluxhouse models pull house/none`" in found.out) == (1, True)
