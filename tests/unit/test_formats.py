import bz2
import gzip
import io
import lzma
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestion.formats import format_of

OBJECT = {"weights": [0.25] * 100, "name": "fraud"}
WRAPPED = b"\x80\x04\x95\xd4\0\0\0\0\0\0\0\x8c\x13joblib.numpy_pickle\x94\x8c\x11NumpyArrayWrapper\x94\x93\x94)\x81\x94"
HEADER = b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'


def found(content: bytes, path: str = "model") -> str:
    return format_of({path: content[:512]})


def zipped(*names: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.writestr(name, pickle.dumps(OBJECT))
    return written.getvalue()


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    size = len(value)
    return bytes([number << 3 | 2]) + (bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])) + value


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", [OBJECT, 7, None, b"", "x" * 2000])
def test_a_pickle_is_known(protocol: int, value: object) -> None:
    assert found(pickle.dumps(value, protocol)) == "pickle"


@pytest.mark.parametrize("protocol", [0, 1])
def test_a_pickle_of_the_first_protocols_has_no_magic_number(protocol: int) -> None:
    assert found(pickle.dumps(OBJECT, protocol), "model.pkl") == "unknown"


def test_a_pickle_of_a_protocol_to_come_is_unknown() -> None:
    assert found(b"\x80\x06N.") == "unknown"
    assert found(b"\x80\x05N.") == "pickle"


def test_three_bytes_are_enough_for_a_pickle() -> None:
    assert found(b"\x80\x02N") == "pickle"


def test_joblib_is_known_from_a_pickle_by_its_arrays() -> None:
    assert found(WRAPPED) == "joblib"


def test_joblib_without_arrays_is_a_plain_pickle_whose_name_decides() -> None:
    assert found(pickle.dumps(OBJECT), "model.joblib") == "joblib"


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_pickle_is_joblib(compress: Callable[[bytes], bytes]) -> None:
    assert found(compress(pickle.dumps(OBJECT))) == "joblib"


def test_an_old_lzma_pickle_is_joblib() -> None:
    assert found(lzma.compress(pickle.dumps(OBJECT), lzma.FORMAT_ALONE)) == "joblib"


@pytest.mark.parametrize("compress", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_other_compressed_bytes_are_unknown(compress: Callable[[bytes], bytes]) -> None:
    assert found(compress(b"id,amount\n" * 10), "model.joblib") == "unknown"


def test_a_bz2_head_too_short_to_decompress_counts_by_its_name() -> None:
    content = bz2.compress(pickle.dumps(list(range(5000))))
    assert found(content, "model.joblib") == "joblib"
    assert found(content, "model.bz2") == "unknown"


@pytest.mark.parametrize("mark", [b"\x1f\x8b\x07", b"x\x9c\xff", b"BZh0", b"\xfd7zXZ\x00\xff" * 9, b"]\x00\xff" * 9])
def test_bytes_that_cannot_be_decompressed_are_unknown(mark: bytes) -> None:
    assert found(mark + b"\xff" * 40, "model.joblib") == "unknown"


def test_a_head_that_asks_for_more_memory_than_128_mib_is_unknown() -> None:
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 2**20}]
    content = bytearray(lzma.compress(pickle.dumps(OBJECT), lzma.FORMAT_ALONE, filters=filters))
    assert found(bytes(content)) == "joblib"
    content[1:5] = struct.pack("<I", 2**30)
    assert found(bytes(content)) == "unknown"


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_what_joblib_writes_is_known(compress: int | tuple[str, int]) -> None:
    joblib, numpy = pytest.importorskip("joblib"), pytest.importorskip("numpy")
    written = io.BytesIO()
    joblib.dump({"weights": numpy.arange(1000.0)}, written, compress=compress)
    assert found(written.getvalue(), "model.joblib") == "joblib"


def test_safetensors_is_known() -> None:
    assert found(struct.pack("<Q", len(HEADER)) + HEADER + b"\0\0\0\0") == "safetensors"


@pytest.mark.parametrize(("length", "header"), [(2, b"{}"), (100_000_000, HEADER)])
def test_the_header_of_safetensors_has_2_to_100_million_bytes(length: int, header: bytes) -> None:
    assert found(struct.pack("<Q", length) + header) == "safetensors"


@pytest.mark.parametrize("length", [0, 1, 100_000_001, 2**63])
def test_a_header_of_another_length_is_not_safetensors(length: int) -> None:
    assert found(struct.pack("<Q", length) + HEADER) == "unknown"


@pytest.mark.parametrize("name", ["archive/data.pkl", "fraud/data.pkl"])
def test_the_zip_of_torch_is_known(name: str) -> None:
    assert found(zipped(name, "archive/data/0")) == "pt"


def test_the_name_of_a_zips_first_entry_begins_behind_its_header() -> None:
    assert found(zipped("/data.pkl")) == "pt"
    assert found(zipped("x" * 300 + "/data.pkl")) == "pt"


def test_the_extra_field_of_a_zips_first_entry_is_not_its_name() -> None:
    entry = zipfile.ZipInfo("m/data.pkl")
    entry.extra = b"\x01\x00\x01\x00."
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr(entry, b"")
    assert found(written.getvalue()) == "pt"


@pytest.mark.parametrize("name", ["metadata.json", "data.pkl", "fraud/data.pkl.txt"])
def test_another_zip_is_unknown(name: str) -> None:
    assert found(zipped(name), "model.pt") == "unknown"


def test_the_older_file_of_torch_is_known() -> None:
    content = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps(OBJECT, 2)
    assert found(content) == "pt"


def test_onnx_is_known() -> None:
    graph = field(7, b"\n\x04node" * 40)
    assert found(field(1, 8) + field(2, b"pytorch") + field(3, b"2.9.0") + graph + field(8, b"\x10\x11")) == "onnx"
    assert found(field(1, 10) + graph) == "onnx"
    assert found(field(1, 9) + field(8, b"\x10\x11") + graph) == "onnx"
    assert (
        found(field(1, 4) + field(2, b"skl2onnx") + field(4, b"ai.onnx") + field(5, 0) + field(6, b"x" * 600)) == "onnx"
    )


@pytest.mark.parametrize(
    ("version", "format"), [(0, "unknown"), (1, "onnx"), (2, "onnx"), (99, "onnx"), (100, "unknown")]
)
def test_the_version_of_onnx_is_1_to_99(version: int, format: str) -> None:
    assert found(field(1, version) + field(2, b"pytorch")) == format


def test_onnx_begins_with_its_version_and_with_nothing_else() -> None:
    assert found(field(2, 8) + field(7, b"graph")) == "unknown"
    assert found(field(1, b"8") + field(7, b"graph")) == "unknown"
    assert found(field(1, 8)) == "unknown"


@pytest.mark.parametrize("other", [field(9, b"x"), field(2, 7), field(5, b"x"), field(2, b"\x00"), field(7, 1)])
def test_another_field_before_the_graph_is_not_onnx(other: bytes) -> None:
    assert found(field(1, 8) + other + field(7, b"graph")) == "unknown"


def test_a_text_of_onnx_may_have_lines_and_any_letters() -> None:
    assert found(field(1, 8) + field(6, "größe\nzwei".encode())) == "onnx"


def test_a_long_number_of_onnx_is_read_over_several_bytes() -> None:
    assert found(field(1, 8) + b"\x28\x80\x80\x01" + field(7, b"graph")) == "onnx"
    assert found(b"\x08\x88\x00" + field(7, b"graph")) == "onnx"
    assert found(b"\x08\x81\x01" + field(7, b"graph")) == "unknown", "it is version 129"


@pytest.mark.parametrize("wire", [1, 3, 4, 5])
def test_a_field_of_another_wire_type_ends_onnx(wire: int) -> None:
    assert found(field(1, 8) + bytes([2 << 3 | wire]) + field(7, b"graph")) == "unknown"


def test_the_saved_model_of_tensorflow_is_not_onnx() -> None:
    assert found(field(1, 1) + field(2, b"\n\x05\x12\x03v12" + b"\x00\x01" * 300)) == "unknown"


@pytest.mark.parametrize(
    "content", [b"\x08\x08", b"\x08", b"\x08\x00:\x01x", b"\x08\xff\xff\xff\xff:\x01x", b"\x08\x08\x0d1234"]
)
def test_another_number_is_not_onnx(content: bytes) -> None:
    assert found(content) == "unknown"


def test_h5_is_known() -> None:
    assert found(b"\x89HDF\r\n\x1a\n" + bytes(100)) == "h5"


def test_of_several_files_the_first_known_by_path_decides() -> None:
    heads = {"weights.h5": b"\x89HDF\r\n\x1a\n", "a/readme.md": b"# Fraud", "b/model": pickle.dumps(OBJECT)}
    assert format_of(heads) == "pickle"


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"\x80\x04", b"PK\x03\x04", b"x\x9c", b"\x1f\x8b", b"BZh", b"# Fraud"]
)
def test_too_little_is_unknown(content: bytes) -> None:
    assert found(content) == "unknown"


def test_no_files_are_unknown() -> None:
    assert format_of({}) == "unknown"


MAGIC = st.sampled_from(
    [
        b"",
        b"\x80\x04",
        b"PK\x03\x04",
        b"x\x9c",
        b"\x1f\x8b\x08",
        b"BZh9",
        b"\xfd7zXZ\x00",
        b"]\x00\x00",
        b"\x08\x08\x12",
    ]
)


@given(st.dictionaries(st.text(max_size=5), st.builds(bytes.__add__, MAGIC, st.binary(max_size=512)), max_size=3))
def test_any_bytes_have_an_answer(heads: dict[str, bytes]) -> None:
    assert format_of(heads) in {"pickle", "joblib", "safetensors", "onnx", "h5", "pt", "unknown"}
