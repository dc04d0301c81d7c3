"""A safetensors file is whole by its own header, or it is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fluxhouse.engine.headers import Damaged, Stored, read_header


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    save_file({"a": torch.zeros(2, 3), "b": torch.zeros(4, dtype=torch.bfloat16)}, path, metadata={"format": "pt"})
    return path


def test_a_header_names_every_tensor(file: Path) -> None:
    """Type and shape stand there, and how many numbers they make."""
    header = read_header(file)
    assert header == {"a": Stored("F32", (2, 3)), "b": Stored("BF16", (4,))}
    assert sum(stored.count for stored in header.values()) == 10


@pytest.mark.parametrize("kept", [0, 7, 20, -1])
def test_a_file_cut_off_is_damaged(file: Path, kept: int) -> None:
    """Whatever its length, a download that broke off is seen."""
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(Damaged):
        read_header(file)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"a":1}',
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}',
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}',
    ],
)
def test_a_header_that_does_not_fit_is_damaged(tmp_path: Path, header: bytes) -> None:
    """No mapping, no tensor, a size that is not its shape's, or numbers that are not there."""
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(Damaged):
        read_header(path)
