"""`fluxhouse builtin train` hands its arguments to the recipe."""


def test_help_is_the_recipes_own(fluxhouse):
    """`--help` names the parts and what the recipe takes."""
    ended = fluxhouse("builtin", "train", "--help")
    assert ended.code == 0
    for word in ("autoencoder", "guidance", "--minutes", "--from"):
        assert word in ended.out


def test_what_cannot_be_trained_yet_is_refused(fluxhouse, tmp_path):
    """The missing part is named, and the exit code is 1."""
    ended = fluxhouse("builtin", "train", "lora", "--out", str(tmp_path), "--size", "tiny")
    assert ended.code == 1
    assert "train what comes before" in ended.err
