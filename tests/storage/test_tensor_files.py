"""Headers of safetensors files, whole and forged."""

import json
import struct
import time

import pytest

from fluxhouse.generation.errors import LoraRefused
from fluxhouse.generation.lora_layout import Tensor
from fluxhouse.storage import tensor_files
from fluxhouse.storage.tensor_files import read_header


def forged(header, content=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def entry(begin, end, shape=(2,), dtype="F16"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.fixture
def read(tmp_path):
    def of(content):
        path = tmp_path / "a.safetensors"
        path.write_bytes(content)
        return read_header(path)

    return of


def test_a_whole_file_is_described(read):
    """Types and shapes by name in any order, scalars and empty tensors too, and the metadata."""
    fields = {
        "__metadata__": {"format": "pt"},
        "b": entry(4, 8, (), "F32"),
        "a": entry(0, 4),
        "none": entry(8, 8, (0, 7)),
    }
    header = read(forged(fields, bytes(8)))
    assert header.tensors == {"b": Tensor("F32", ()), "a": Tensor("F16", (2,)), "none": Tensor("F16", (0, 7))}
    assert header.metadata == {"format": "pt"}


def test_a_header_may_be_padded(read):
    """Writers align the tensors with blanks behind the header."""
    assert list(read(forged(json.dumps({"a": entry(0, 4)}).encode() + b"   ", bytes(4))).tensors) == ["a"]


FORGERIES = {
    "nothing": b"",
    "a pickle": b"\x80\x04\x95" + bytes(40),
    "a zip": b"PK\x03\x04" + bytes(40),
    "a length beyond the file": forged({"a": entry(0, 4)}, bytes(4), length=10**6),
    "a length of 2**64 - 1": forged({}, b"", length=2**64 - 1),
    "not JSON": forged(b"{]"),
    "a list": forged([]),
    "deep": forged(b"[" * 50_000),
    "NaN": forged(b'{"a": NaN}'),
    "not UTF-8": forged(b'{"\xff": 1}'),
    "a name twice": forged(b'{"a": %(e)s, "a": %(e)s}' % {b"e": json.dumps(entry(0, 4)).encode()}, bytes(4)),
    "an overlap": forged({"a": entry(0, 4), "b": entry(2, 6)}, bytes(6)),
    "a gap": forged({"a": entry(0, 4), "b": entry(6, 10)}, bytes(10)),
    "cut short": forged({"a": entry(0, 4)}, bytes(3)),
    "something behind": forged({"a": entry(0, 4)}, bytes(5)),
    "a wrong size": forged({"a": entry(0, 4, (3,))}, bytes(4)),
    "a negative size": forged({"a": entry(4, 0, (-2,))}, bytes(4)),
    "an overflowing size": forged({"a": entry(0, 0, (2**40, 2**40))}),
    "nine dimensions": forged({"a": entry(0, 2, (1,) * 9)}, bytes(2)),
    "a vast dimension": forged({"a": entry(0, 0, (0, 2**48))}),
    "a vast place": forged({"a": entry(2**48, 2**48, (0,))}),
    "a truth for a number": forged({"a": entry(False, 4)}, bytes(4)),
    "a fraction": forged({"a": entry(0, 4.0)}, bytes(4)),
    "an unknown type": forged({"a": entry(0, 4, dtype="OBJECT")}, bytes(4)),
    "no shape": forged({"a": {"dtype": "F16", "data_offsets": [0, 4]}}, bytes(4)),
    "more than is needed": forged({"a": entry(0, 4) | {"code": "x"}}, bytes(4)),
    "a nameless tensor": forged({"": entry(0, 4)}, bytes(4)),
    "a long name": forged({"a" * 301: entry(0, 4)}, bytes(4)),
    "a control character": forged({"a\u001b[2J": entry(0, 4)}, bytes(4)),
    "metadata of numbers": forged({"__metadata__": {"a": 1}}),
    "metadata that are a list": forged({"__metadata__": []}),
}


@pytest.mark.parametrize("content", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_file_is_refused(read, content):
    """One typed refusal for everything that is not a whole safetensors file."""
    with pytest.raises(LoraRefused, match="it is no whole safetensors file"):
        read(content)


def test_many_vast_dimensions_cost_nothing(read):
    """They are counted and compared, and never multiplied: that would hold up the whole process for minutes."""
    content = forged({"a": entry(0, 4, (10**19 - 1,) * 80_000)}, bytes(4))
    began = time.process_time()
    with pytest.raises(LoraRefused, match="'a' of more than 8 dimensions"):
        read(content)
    assert time.process_time() - began < 2


def test_headers_are_bounded(read, monkeypatch):
    """By bytes, by tensors and by metadata."""
    fields = {"a": entry(0, 4), "b": entry(4, 8), "__metadata__": {"a": "x" * 100}}
    content = forged(fields, bytes(8))
    assert len(read(content).tensors) == 2
    for name, bound in (("MAX_HEADER_BYTES", 100), ("MAX_TENSORS", 1), ("_MAX_METADATA", 99)):
        with monkeypatch.context() as patch:
            patch.setattr(tensor_files, name, bound)
            with pytest.raises(LoraRefused):
                read(content)
