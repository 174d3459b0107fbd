"""Tables and record batches of pyarrow as values."""

import base64

import pyarrow as pa
import pytest

from volnux.strictjson import FormatError
from volnux.values import from_json, to_json
from volnux.values.store import Store

TABLE = pa.table(
    {
        "ints": pa.array([1, None, 3], pa.int16()),
        "texts": ["a", None, "a text of more than twelve characters"],
        "views": pa.array(["a", None, "a text of more than twelve characters"], pa.string_view()),
        "lists": [[1], [], None],
        "categories": pa.array(["a", "b", "a"]).dictionary_encode(),
        "structures": [{"a": 1}, None, {"a": 2}],
    }
).replace_schema_metadata({"source": "shop"})


@pytest.mark.parametrize(
    "table",
    [TABLE, TABLE[1:], TABLE[:0], pa.table({}), pa.concat_tables([TABLE, TABLE])],
    ids=["all", "sliced", "no rows", "nothing", "two chunks"],
)
def test_a_table_comes_back(back, table):
    found = back([table])[0]
    assert type(found) is pa.Table
    assert found.equals(table, check_metadata=True)
    found.validate(full=True)


@pytest.mark.parametrize("rows", [3, 1, 0])
def test_a_batch_comes_back(back, rows):
    batch = TABLE.combine_chunks().to_batches()[0][:rows]
    found = back(batch)
    assert type(found) is pa.RecordBatch
    assert found.equals(batch, check_metadata=True)


def test_a_large_table_is_in_a_file():
    store = Store("kept", inline=10_000)
    table = pa.table({"a": range(2000)})
    data = to_json(table, shelf=store.at("run", "Load"))
    path = data["value"]["file"]["path"]
    assert from_json(data, store=store).equals(table)
    # A user can read the file without volnux.
    with pa.ipc.open_stream(f"kept/{path}") as stream:
        assert stream.read_all().equals(table)


def test_a_type_that_is_not_registered():
    class Money(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.int64(), "shop.money")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage, serialized):
            return cls()

    column = pa.ExtensionArray.from_storage(Money(), pa.array([1, 2]))
    data = to_json(pa.table({"price": column}))
    with pytest.raises(
        FormatError, match=r"column 'price' has the type .*, which is not registered here"
    ):
        from_json(data)
    pa.register_extension_type(Money())
    try:
        assert from_json(data).column("price").type == Money()
    finally:
        pa.unregister_extension_type("shop.money")


def test_damaged_bytes(damaged):
    assert damaged(TABLE) > 50


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\xff\xff\xff\xff\0\0\0\0"])
def test_bytes_that_are_no_table(content):
    blob = {"base64": base64.b64encode(content).decode()}
    for kind in ("pyarrow.Table", "pyarrow.RecordBatch"):
        with pytest.raises(FormatError, match="no"):
            from_json({"$volnux": kind, "value": blob})


def test_a_batch_of_two():
    data = to_json(pa.concat_tables([TABLE, TABLE]))
    with pytest.raises(FormatError, match="several batches"):
        from_json({**data, "$volnux": "pyarrow.RecordBatch"})
