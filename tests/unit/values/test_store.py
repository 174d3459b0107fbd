"""The store for large values: files, references, and everything that may be wrong with either."""

import datetime as dt
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from textwrap import dedent

import pytest

from volnux.strictjson import FormatError
from volnux.values import Store, StoreError, ValueLostError
from volnux.values.store import INLINE

DATA = bytes(range(256)) * 400


@pytest.fixture(params=["folder", "file", "fsspec", "memory"])
def store(request, tmp_path):
    url = {
        "folder": str(tmp_path / "kept"),
        "file": f"file://{tmp_path}/kept",
        "fsspec": f"dir::file://{tmp_path}/kept",
        "memory": f"memory://{tmp_path.name}",
    }[request.param]
    return Store(url)


def files_of(folder):
    return [path for path in Path(folder).rglob("*") if path.is_file()]


# Writing and reading.


def test_bytes_come_back(store):
    reference = store.at("run", "Load").put(DATA, ".arrow")
    assert reference.keys() == {"path", "size", "sha256"}
    assert reference["path"].startswith("run/Load/")
    assert reference["path"].endswith(".arrow")
    assert reference["size"] == len(DATA)
    assert store.read(reference) == DATA


def test_a_function_writes_in_parts(store):
    def write(stream):
        for start in range(0, len(DATA), 1000):
            assert stream.write(memoryview(DATA)[start : start + 1000]) == len(
                DATA[start : start + 1000]
            )

    reference = store.at("run", "Load").put(write)
    assert store.read(reference) == DATA


def test_any_buffer(store):
    for data in (bytearray(DATA), memoryview(DATA), b""):
        assert store.read(store.at("run", "Load").put(data)) == bytes(data)


def test_each_value_has_a_file_of_its_own(store):
    shelf = store.at("run", "Load")
    first, second = shelf.put(b"first"), shelf.put(b"second")
    assert (store.read(first), store.read(second)) == (b"first", b"second")


@pytest.mark.parametrize(
    "name",
    [
        "manual__2026-01-31T06:00:00.123456+00:00",
        "Fetch[0][3]",
        "etl.Load__2",
        "..",
        ".",
        "",
        "a/../../b",
        "/etc",
        "~root",
        "*?\\|<>\"'",
        "ünï✓",
        "x" * 1000,
        "✓" * 1000,
        "\udc80",
    ],
)
def test_any_name_of_a_run_or_a_place(name, tmp_path):
    store = Store(str(tmp_path / "kept"))
    reference = store.at(name, name).put(DATA)
    assert store.read(reference) == DATA
    [file] = files_of(tmp_path)
    assert file.relative_to(tmp_path).parts[0] == "kept"
    assert len(file.relative_to(tmp_path).parts) == 4
    assert [run.files for run in store.runs()] == [1]


def test_long_names_that_differ_at_the_end_only():
    store = Store("kept")
    for end in "ab":
        store.at("run", "x" * 1000 + end).put(b"")
    assert len(list(Path("kept/run").iterdir())) == 2


def test_a_store_and_a_shelf_can_be_pickled(store):
    shelf = pickle.loads(pickle.dumps(store.at("run", "Load")))
    assert pickle.loads(pickle.dumps(store)).read(shelf.put(DATA)) == DATA


@pytest.mark.parametrize("cls", [StoreError, ValueLostError])
def test_errors_can_be_pickled(cls):
    found = pickle.loads(pickle.dumps(cls("a file is gone")))
    assert (type(found), str(found)) == (cls, "a file is gone")


def test_many_threads_write_to_one_place(store):
    shelf = store.at("run", "Load")
    references = []

    def write(number):
        references.append((number, shelf.put(str(number).encode())))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(references) == 16
    assert all(store.read(reference) == str(number).encode() for number, reference in references)


def test_a_local_folder_needs_no_fsspec(tmp_path):
    code = """
        import sys
        from volnux.values.store import Store
        store = Store.of_environment({"VOLNUX_VALUES": "kept"})
        assert store.read(store.at("run", "Load").put(b"data")) == b"data"
        assert [run.run_id for run in store.runs()] == ["run"]
        assert "fsspec" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True)


# References.


def test_a_file_that_is_gone(store):
    reference = store.at("run", "Load").put(DATA)
    for run in store.runs():
        store.delete(run)
    with pytest.raises(ValueLostError, match="is not there: start the run again") as caught:
        store.read(reference)
    assert reference["path"] in str(caught.value)
    assert "volnux values prune" in str(caught.value)


def test_a_file_with_another_size():
    store = Store("kept")
    reference = store.at("run", "Load").put(DATA)
    Path("kept", reference["path"]).write_bytes(DATA[:-1])
    with pytest.raises(ValueLostError, match=r"has 102,399 bytes, but 102,400 bytes were written"):
        store.read(reference)


def test_a_file_with_another_content():
    store = Store("kept")
    reference = store.at("run", "Load").put(DATA)
    Path("kept", reference["path"]).write_bytes(DATA[::-1])
    with pytest.raises(ValueLostError, match="has another content than was written"):
        store.read(reference)


def test_a_place_that_cannot_be_read():
    store = Store("kept")
    reference = store.at("run", "Load").put(DATA)
    Path("kept", reference["path"]).unlink()
    Path("kept", reference["path"]).mkdir()
    with pytest.raises(
        ValueLostError, match=r"cannot be read: Is a directory: check VOLNUX_VALUES"
    ):
        store.read(reference)


NAME = "0" * 32


@pytest.mark.parametrize(
    "path",
    [
        f"../Load/{NAME}.bin",
        f"run/../{NAME}.bin",
        f"run/./{NAME}.bin",
        f"/run/Load/{NAME}.bin",
        f"//Load/{NAME}.bin",
        f"run/Load/x/{NAME}.bin",
        f"run/{NAME}.bin",
        f"run\\..\\Load/x/{NAME}.bin",
        f"run/.hidden/{NAME}.bin",
        f"run/Load/{NAME}.bin.part",
        f"run/Load/{NAME}.bin\n",
        "run/Load/secret.txt",
        f"run/Load*/{NAME}.bin",
        f"s3://bucket/{NAME}.bin",
        "",
        "\0",
    ],
)
def test_a_reference_that_leaves_the_store(path, store):
    store.at("run", "Load").put(DATA)
    with pytest.raises(FormatError, match="which no store has"):
        store.read({"path": path, "size": 1, "sha256": "0" * 64})


@pytest.mark.parametrize(
    "reference",
    [
        None,
        "run/Load/x.bin",
        {},
        {"path": f"run/Load/{NAME}.bin"},
        {"path": f"run/Load/{NAME}.bin", "size": "1", "sha256": ""},
        {"path": ["run"], "size": 1, "sha256": ""},
        {"path": f"run/Load/{NAME}.bin", "size": 1, "sha256": "", "more": 1},
    ],
)
def test_a_malformed_reference(reference):
    with pytest.raises(FormatError, match="malformed reference"):
        Store("kept").read(reference)


# Writing fails.


def test_nothing_is_left_of_a_value_whose_writer_fails(store):
    def write(stream):
        stream.write(DATA)
        raise ValueError("no way")

    with pytest.raises(StoreError, match=r"a large value of Load cannot be written to .* no way"):
        store.at("run", "Load").put(write)
    assert store.runs() == []


def test_a_full_disk(tmp_path):
    """The limit of a process for the size of files stands for the end of the disk."""
    code = """
        import resource, pathlib
        from volnux.values.store import Store, StoreError
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            Store("kept").at("run", "Load").put(bytes(100_000))
        except StoreError as error:
            print(error)
        print([path for path in pathlib.Path("kept").rglob("*") if path.is_file()])
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)], check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "a large value of Load cannot be written to kept (VOLNUX_VALUES): File too large; "
        "set it to a place that can be written",
        "[]",
    ]


def test_a_store_below_a_file():
    Path("kept").write_text("a file")
    with pytest.raises(StoreError, match=r"written to kept/x \(VOLNUX_VALUES\): Not a directory"):
        Store("kept/x").at("run", "Load").put(DATA)


def test_half_a_file_is_under_another_name():
    store = Store("kept")

    def write(stream):
        stream.write(DATA)
        assert [path.suffix for path in files_of("kept")] == [".part"]

    reference = store.at("run", "Load").put(write)
    assert files_of("kept") == [Path("kept", reference["path"])]


# Settings.


def test_no_setting():
    assert Store.of_environment({}) is None
    assert Store.of_environment({"VOLNUX_VALUES": " "}) is None


def test_the_settings():
    store = Store.of_environment({"VOLNUX_VALUES": "kept"})
    assert (store.url, store.inline) == (str(Path("kept").absolute()), INLINE)
    store = Store.of_environment({"VOLNUX_VALUES": "kept", "VOLNUX_VALUES_INLINE": "0"})
    assert store.inline == store.at("run", "Load").inline == 0


def test_a_relative_folder_stays_where_it_was(monkeypatch, tmp_path):
    store = Store.of_environment({"VOLNUX_VALUES": "kept"})
    place = Path("kept").absolute()
    monkeypatch.chdir(tmp_path.parent)
    reference = store.at("run", "Load").put(DATA)
    assert (place / reference["path"]).read_bytes() == DATA


def test_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    store = Store.of_environment({"VOLNUX_VALUES": "~/kept"})
    reference = store.at("run", "Load").put(DATA)
    assert (tmp_path / "ada/kept" / reference["path"]).read_bytes() == DATA


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s4://bucket", "Protocol not known: s4; expected the path of a folder, or a URL"),
        ("s3:/bucket", "a URL begins with 's3://'"),
        ("no::file://x", "Protocol not known: no"),
        ("~nobody-of-this-name/x", "the home folder in '~nobody-of-this-name/x' is not known"),
    ],
)
def test_a_place_that_is_none(url, message):
    with pytest.raises(StoreError) as caught:
        Store.of_environment({"VOLNUX_VALUES": url})
    assert str(caught.value).startswith(f"VOLNUX_VALUES={url}: {message}")


def test_a_package_that_is_missing():
    # The packages of this filesystem are not part of the tests' environment.
    with pytest.raises(StoreError, match=r"'abfs://' needs a package that is missing: .*adlfs"):
        Store.of_environment({"VOLNUX_VALUES": "abfs://container/x"})


def test_fsspec_is_missing(tmp_path):
    code = """
        import sys
        sys.modules["fsspec"] = None
        from volnux.values.store import Store
        Store.of_environment({"VOLNUX_VALUES": "memory://x"})
    """
    done = subprocess.run(
        [sys.executable, "-c", dedent(code)], check=False, capture_output=True, text=True
    )
    assert (
        "VOLNUX_VALUES=memory://x: 'memory://' needs the package fsspec: pip install 'fsspec"
        in done.stderr
    )


@pytest.mark.parametrize("size", ["64k", "-1", "1.5", "many", "9" * 30])
def test_a_size_that_is_none(size):
    settings = {"VOLNUX_VALUES": "kept", "VOLNUX_VALUES_INLINE": size}
    with pytest.raises(StoreError) as caught:
        Store.of_environment(settings)
    assert str(caught.value) == (
        f"VOLNUX_VALUES_INLINE must be a number of bytes such as 65536, found '{size}'"
    )


def test_passwords_are_not_shown():
    url = "s4://ada:pa55word@host/x"
    with pytest.raises(StoreError) as caught:
        Store.of_environment({"VOLNUX_VALUES": url})
    assert "pa55word" not in str(caught.value)


# Runs.


def test_runs(store):
    for number in range(3):
        store.at("2026-01-31T06:00:00+00:00", f"Fetch[{number}]").put(DATA)
    store.at("other", "Load").put(b"data")
    runs = {run.run_id: run for run in store.runs()}
    assert {run_id: (run.files, run.size) for run_id, run in runs.items()} == {
        "2026-01-31T06:00:00+00:00": (3, 3 * len(DATA)),
        "other": (1, 4),
    }
    assert {run.modified.tzinfo for run in runs.values()} == {dt.UTC}
    assert store.delete(runs["2026-01-31T06:00:00+00:00"]) == 3
    assert [run.run_id for run in store.runs()] == ["other"]


def test_no_runs(store):
    assert store.runs() == []


def test_files_of_others_stay():
    store = Store("kept")
    store.at("run", "Load").put(DATA)
    for name in ("README", "run/README", "run/Load/README", f"run/Load/{NAME}.bin.old"):
        Path("kept", name).write_text("mine")
    [run] = store.runs()
    assert (run.files, store.delete(run)) == (1, 1)
    assert {path.name for path in files_of("kept")} == {"README", f"{NAME}.bin.old"}


def test_folders_of_a_run_go_with_its_files():
    store = Store("kept")
    store.at("run", "Load").put(DATA)
    store.at("run", "Clean").put(DATA)
    [run] = store.runs()
    store.delete(run)
    assert list(Path("kept").iterdir()) == []


def test_files_that_vanish_meanwhile(store):
    shelf = store.at("run", "Load")
    shelf.put(DATA)
    [run] = store.runs()
    store.delete(run)
    assert store.delete(run) == 0


def test_half_files_of_processes_that_were_killed_belong_to_their_run():
    store = Store("kept")
    Path("kept/run/Load").mkdir(parents=True)
    Path(f"kept/run/Load/{NAME}.bin.part").write_bytes(DATA)
    [run] = store.runs()
    assert store.delete(run) == 1
    assert files_of("kept") == []


def test_a_file_is_not_a_place(monkeypatch, tmp_path):
    monkeypatch.setenv("VOLNUX_VALUES", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"VOLNUX_VALUES=.*file' is a file, but a folder was"):
        Store.of_environment()
