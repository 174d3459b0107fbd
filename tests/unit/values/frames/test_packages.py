"""Packages that are not installed, or not imported yet."""

import json
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pandas as pd
import polars as pl
import pytest

from volnux.values import dumps


def run(code, *arguments):
    """What a new process prints: the packages of the tests are not imported there."""
    done = subprocess.run(
        [sys.executable, "-c", dedent(code), *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


READ = """
    import sys
    for missing in sys.argv[2:]:
        sys.modules[missing] = None
    from volnux import VolnuxError
    from volnux.values import loads
    try:
        print(type(loads(sys.argv[1])))
    except VolnuxError as error:
        print(error)
"""


@pytest.mark.parametrize(
    "value",
    [np.arange(3), pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]})],
    ids=["numpy", "pandas", "polars"],
)
def test_a_reader_need_not_import_the_package_first(value):
    assert run(READ, dumps(value)) == str(type(value))


@pytest.mark.parametrize(
    ("value", "package"),
    [(np.float64(1), "numpy"), (pd.NaT, "pandas"), (pl.Series([1]), "polars")],
)
def test_a_package_that_is_missing_where_the_value_is_read(value, package):
    assert run(READ, dumps(value), package).startswith(
        f"a stored value is of a class of {package}, which cannot be imported here: "
    )


@pytest.mark.parametrize(
    ("value", "package"),
    [(pd.DataFrame({"a": [1]}), "pandas"), (pl.DataFrame({"a": [1]}), "polars")],
)
def test_pyarrow_is_missing_where_a_frame_is_read(value, package):
    text = run(READ, dumps(value), "pyarrow")
    assert text.startswith(f"a frame of {package} needs pyarrow: pip install 'pyarrow")


@pytest.mark.parametrize("package", ["pandas", "polars"])
def test_pyarrow_is_missing_where_a_frame_is_written(package):
    code = """
        import importlib, sys
        sys.modules["pyarrow"] = None
        from volnux import NotPortableError
        from volnux.values import to_json
        frame = importlib.import_module(sys.argv[1]).DataFrame({"a": [1]})
        try:
            to_json([frame], what="result")
        except NotPortableError as error:
            print(error)
    """
    assert run(code, package).startswith(
        f"result[0] is of type {package}.DataFrame, which needs pyarrow: pip install 'pyarrow"
    )


def test_scalars_of_pandas_need_no_pyarrow():
    assert run(READ, dumps(pd.Timestamp("2026-01-31")), "pyarrow").endswith(".Timestamp'>")


def test_plain_values_import_none_of_them():
    code = """
        import sys
        from volnux.values import dumps, loads
        loads(dumps({"a": [1, (2, {3})]}))
        print(sorted({"numpy", "pandas", "polars", "pyarrow"} & set(sys.modules)))
    """
    assert json.loads(run(code)) == []
