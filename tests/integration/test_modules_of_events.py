"""Modules beside a `.pty` behave as in any Python program, in a process of one folder or of many.

One module of events tries everything that looks a module up by its name. It runs with `volnux run`
from another folder, and in one process together with a second folder whose modules have the same
names and other values.
"""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

HELPERS = """
from dataclasses import dataclass

VALUE = {value}


@dataclass
class Order:
    number: "int"


def where():
    return VALUE
"""

EVENTS = """
import builtins
import importlib
import importlib.resources
import io
import logging
import logging.config
import multiprocessing
import pickle
import threading
import typing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import helpers
from volnux import EventBase, event


@dataclass
class Model:
    order: "helpers.Order"


class Tell(EventBase):
    def process(self, previous_result=None):
        return True, helpers.VALUE


class Away(EventBase):
    executor = ProcessPoolExecutor
    executor_config = {"max_workers": 1}

    def process(self):
        import late

        return True, helpers.Order(late.VALUE)


@event
def received(previous_result):
    assert type(previous_result) is helpers.Order, type(previous_result).__module__
    return True, previous_result.number


def told(number):
    import late

    return helpers.where() + late.VALUE - late.VALUE


def pool(method):
    with multiprocessing.get_context(method).Pool(1) as workers:
        return workers.map_async(told, [1]).get(60)[0]


def executor(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as workers:
        return workers.submit(told, 1).result(60)


def in_thread(function):
    with ThreadPoolExecutor(1) as workers:
        return workers.submit(function).result()


def patched():
    with mock.patch("helpers.VALUE", "patched"):
        assert helpers.VALUE == helpers.where() == "patched"
    return helpers.VALUE


def configured():
    logging.config.dictConfig(
        {"version": 1, "disable_existing_loggers": False,
         "formatters": {"f": {"()": "helpers.Order", "number": 1}}}
    )
    return helpers.VALUE


def printed():
    out = io.StringIO()
    with mock.patch("builtins.print", lambda text: out.write(str(text))):
        print(helpers.VALUE)
    return type(helpers.VALUE)(out.getvalue())


def hinted():
    assert typing.get_type_hints(Model) == {"order": helpers.Order}
    return helpers.VALUE


def missing():
    for name in ("only_of_the_other", "nowhere_at_all"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            pass
        else:
            raise AssertionError(name)
        try:
            __import__(name)
        except ModuleNotFoundError:
            continue
        raise AssertionError(name)
    return helpers.VALUE


def reloaded():
    # One of several modules of that name goes by the object, not by the name.
    import late

    late.VALUE = None
    assert importlib.reload(late) is late
    assert late.__name__ == "late"
    return late.VALUE


def named():
    assert __name__ == "flow_events", __name__
    assert logging.getLogger(__name__).name == "flow_events"
    assert (Model.__module__, helpers.Order.__module__) == ("flow_events", "helpers")
    return helpers.VALUE


WAYS = {
    "import": lambda: importlib.import_module("helpers").VALUE,
    "package": lambda: importlib.import_module("shop.parts").VALUE,
    "resource": lambda: int((importlib.resources.files("shop") / "value.txt").read_text()),
    "within a package": lambda: importlib.import_module("shop.parts").VALUE,
    "unpickle": lambda: pickle.loads(pickle.dumps(helpers.Order(helpers.VALUE))).number,
    "in a thread": lambda: in_thread(lambda: importlib.import_module("late").VALUE),
    "unpickle in a thread": lambda: in_thread(lambda: pickle.loads(pickle.dumps(helpers.where))()),
    "spawn": lambda: pool("spawn"),
    "forkserver": lambda: executor("forkserver"),
    "fork": lambda: pool("fork"),
    "patch": patched,
    "logging by name": configured,
    "print": printed,
    "annotations": hinted,
    "missing": missing,
    "reload": reloaded,
    "names": named,
}


class Every(EventBase):
    def process(self):
        found = {}
        for name, way in WAYS.items():
            try:
                found[name] = way()
            except BaseException as error:
                found[name] = repr(error)
        return True, found
"""


def folder(path: Path, value: int) -> Path:
    """A pipeline's folder in which every module says the same value."""
    (path / "shop").mkdir(parents=True)
    says = f"VALUE = {value}\n"
    (path / "helpers.py").write_text(HELPERS.format(value=value))
    (path / "late.py").write_text(says)
    (path / "relative.py").write_text(says)
    (path / "shop" / "__init__.py").write_text("")
    (path / "shop" / "value.txt").write_text(str(value))
    (path / "shop" / "below.py").write_text(says)
    (path / "shop" / "parts.py").write_text("import late\nfrom .below import VALUE\n")
    (path / "flow_events.py").write_text(EVENTS)
    (path / "flow.pty").write_text("Every -> Away |-> Received\n")
    return path


def checked(report: dict, value: int) -> None:
    places = report["places"]
    assert places["Every"]["failure"] is None, places["Every"]["failure"]["traceback"]
    assert places["Every"]["result"] == dict.fromkeys(places["Every"]["result"], value)
    assert len(places["Every"]["result"]) == 17
    assert places["Received"]["result"] == value, places


def test_in_a_process_of_one_folder(own_folder):
    folder(own_folder / "one", 1)
    (own_folder / "elsewhere").mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "volnux", "run", own_folder / "one" / "flow.pty", "--json"],
        capture_output=True,
        text=True,
        cwd=own_folder / "elsewhere",
    )
    checked(json.loads(run.stdout), 1)


SHARED = """
import json, sys, threading
from volnux.backends import get_backend
from volnux.loading import load_plan

def run(path, reports):
    reports[path] = get_backend("standalone").run(load_plan(path), {}).to_json()

if __name__ == "__main__":
    reports = {}
    threads = [threading.Thread(target=run, args=(path, reports)) for path in sys.argv[1:]]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    print(json.dumps([reports[path] for path in sys.argv[1:]]))
"""


def test_in_a_process_of_several_folders_at_once(own_folder):
    folder(own_folder / "one", 1)
    (own_folder / "one" / "only_of_one.py").write_text("")
    folder(own_folder / "two", 2)
    # What one folder has is not there for another.
    (own_folder / "three").mkdir()
    (own_folder / "three" / "only_of_the_other.py").write_text("")
    (own_folder / "three" / "flow_events.py").write_text(
        "import only_of_the_other\nfrom volnux import event\n\n"
        "@event\ndef go():\n    return True, only_of_the_other.__name__\n"
    )
    (own_folder / "three" / "flow.pty").write_text("Go\n")
    (own_folder / "main.py").write_text(SHARED)
    files = [str(own_folder / name / "flow.pty") for name in ("three", "one", "two")]
    run = subprocess.run(
        [sys.executable, own_folder / "main.py", *files], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    three, one, two = json.loads(run.stdout)
    assert three["places"]["Go"]["result"] == "only_of_the_other"
    checked(one, 1)
    checked(two, 2)


def test_a_relative_import_at_the_top_of_a_folder(own_folder):
    """In an ordinary program it has no meaning, but in events it has always worked."""
    for number, name in enumerate(("one", "two")):
        (own_folder / name).mkdir()
        (own_folder / name / "common.py").write_text(f"VALUE = {number}\n")
        (own_folder / name / "flow.pty").write_text("Tell\n")
        (own_folder / name / "flow_events.py").write_text(
            "from .common import VALUE\nimport common\nfrom volnux import event\n\n"
            "@event\ndef tell():\n"
            "    from . import common as again\n"
            "    return True, [VALUE, again is common]\n"
        )
    program = (
        "import sys; from volnux import Pipeline; from volnux.loading import load_plan\n"
        "for name in sys.argv[1:]:\n"
        "    print(Pipeline.of_plan(load_plan(f'{name}/flow.pty'))().start().results['Tell'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, "one", "two"], capture_output=True, text=True
    )
    assert run.stdout == "[0, True]\n[1, True]\n", run.stderr


KEEP = """
import pickle
from pathlib import Path
from volnux import event

class Model:
    weight = 0

@event
def step():
    model = pickle.loads(Path("model.pkl").read_bytes()) if Path("model.pkl").exists() else Model()
    model.weight += 1
    Path("model.pkl").write_bytes(pickle.dumps(model))
    return True, model.weight
"""


def test_what_was_pickled_is_read_after_the_folder_has_moved(own_folder, monkeypatch):
    for number, name in enumerate(("monday", "tuesday"), start=1):
        (own_folder / name).mkdir()
        (own_folder / name / "train.pty").write_text("Step\n")
        (own_folder / name / "train_events.py").write_text(KEEP)
        subprocess.run(
            [sys.executable, "-m", "volnux", "run", f"{name}/train.pty"],
            check=True,
            capture_output=True,
        )
        monkeypatch.syspath_prepend(str(own_folder / name))
        program = "import pickle; print(pickle.load(open('model.pkl', 'rb')).weight)"
        read = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(own_folder / name)},
            check=True,
            capture_output=True,
            text=True,
        )
        assert read.stdout == f"{number}\n"


TESTED = """
from dataclasses import dataclass
from volnux import event

@dataclass
class Order:
    n: int

def download():
    return 1

@event
def fetch():
    return True, Order(download())
"""

TESTS = """
from pathlib import Path

from volnux.backends import get_backend
from volnux.loading import load_plan

{first}

def run():
    return get_backend("standalone").run(load_plan(Path(__file__).with_name("shop.pty")), {{}})

def test_plain():
    assert run().places["Fetch"].result.n == 1

def test_patched(monkeypatch):
    import shop_events

    monkeypatch.setattr(shop_events, "download", lambda: 42)
    result = run().places["Fetch"].result
    assert isinstance(result, shop_events.Order)
    assert result.n == 42

def test_patched_by_name(monkeypatch):
    monkeypatch.setattr("shop_events.download", lambda: 43)
    assert run().places["Fetch"].result.n == 43
"""


@pytest.mark.parametrize(
    "first", ["", "import shop_events"], ids=["loaded first", "imported first"]
)
@pytest.mark.parametrize("way", ["prepend", "append", "importlib"])
def test_tests_patch_the_one_copy_that_runs(own_folder, pytester, first, way):
    if way == "importlib":
        pytester.makeini("[pytest]\npythonpath = .\n")
    pytester.makepyfile(shop_events=TESTED, test_shop=TESTS.format(first=first))
    (pytester.path / "shop.pty").write_text("Fetch\n")
    result = pytester.runpytest_subprocess(f"--import-mode={way}", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)


def test_a_name_that_the_program_has_already_is_that_of_the_folder_for_its_code(own_folder):
    """An installed module named `helpers`, and one of the standard library."""
    flows = own_folder / "flows"
    for folder in (flows, own_folder / "installed"):
        folder.mkdir()
    (own_folder / "installed" / "helpers.py").write_text("VALUE = 'installed'\n")
    (flows / "json.py").write_text("VALUE = 'own json'\n")
    (flows / "helpers.py").write_text("VALUE = 'own'\nclass Thing: ...\n")
    (flows / "flow.pty").write_text("Tell\n")
    (flows / "flow_events.py").write_text(
        "import json, pickle, helpers\nfrom volnux import event\n\n"
        "@event\ndef tell():\n"
        "    import helpers as late\n"
        "    thing = pickle.loads(pickle.dumps(helpers.Thing()))\n"
        "    return True, [json.VALUE, late.VALUE, type(thing) is helpers.Thing]\n"
    )
    program = (
        "import sys; sys.path.insert(0, 'installed'); import helpers, json\n"
        "from volnux.backends import get_backend\nfrom volnux.loading import load_plan\n"
        "report = get_backend('standalone').run(load_plan('flows/flow.pty'), {})\n"
        "import helpers as again\n"
        "print(json.dumps([report.places['Tell'].result, helpers.VALUE, again.VALUE]))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [["own json", "own", True], "installed", "installed"]


def test_the_modules_of_a_package_stay_in_it(own_folder):
    """A pipeline class in a package: its modules are not added to the global import path."""
    package = own_folder / "shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "queue.py").write_text("raise RuntimeError('this is shop.queue')\n")
    (package / "helpers.py").write_text("VALUE = 1\n")
    (package / "Daily.pty").write_text("Tell\n")
    (package / "daily.py").write_text("from volnux import Pipeline\nclass Daily(Pipeline): ...\n")
    (package / "Daily_events.py").write_text(
        "from volnux import event\nimport helpers\n\n"
        "@event\ndef tell():\n    return True, (__name__, helpers.VALUE)\n"
    )
    program = (
        "from shop.daily import Daily; import sys\n"
        "context = Daily().start(); context.raise_for_status()\n"
        "assert str(sys.path).count('shop') == 0, sys.path\n"
        "import queue; print(context.results['Tell'])\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == "('Daily_events', 1)\n"


def test_libraries_may_look_at_all_modules(own_folder):
    """Code that iterates over `sys.modules` imports nothing by that, and sees no errors."""
    for name in ("one", "two", "broken"):
        (own_folder / name).mkdir()
        (own_folder / name / "flow.pty").write_text("Look\n")
        (own_folder / name / "flow_events.py").write_text(
            "import sys\nfrom volnux import event\n\n"
            "@event\ndef look():\n"
            "    for name, module in sys.modules.copy().items():\n"
            "        if name in ('helpers', 'flow_events', 'fails'):\n"
            "            hasattr(module, 'any'), repr(module), dir(module)\n"
            "            getattr(module, '__spec__', None)\n"
            "    return True, sorted({'helpers', 'fails'} & set(sys.modules))\n"
        )
        (own_folder / name / "helpers.py").write_text("raise AssertionError('imported')\n")
    (own_folder / "one" / "helpers.py").write_text("VALUE = 1\n")
    (own_folder / "one" / "flow_events.py").write_text(
        "import helpers\n" + (own_folder / "one" / "flow_events.py").read_text()
    )
    (own_folder / "broken" / "fails.py").write_text("1 / 0\n")
    (own_folder / "broken" / "flow_events.py").write_text("import fails\n")
    program = (
        "import sys; from volnux import Pipeline, VolnuxError\n"
        "from volnux.loading import load_plan\n"
        "one = load_plan('one/flow.pty')\n"
        "try:\n"
        "    load_plan('broken/flow.pty')\n"
        "except VolnuxError as error:\n"
        "    assert 'division by zero' in str(error), error\n"
        "for plan in (load_plan('two/flow.pty'), one):\n"
        "    context = Pipeline.of_plan(plan)().start()\n"
        "    context.raise_for_status(); print(context.results['Look'])\n"
        "assert all(hasattr(each, '__name__') for each in sys.modules.values())\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "['helpers']\n['helpers']\n", run.stderr


def test_another_thread_may_import_meanwhile(own_folder):
    for number in range(20):
        folder(own_folder / f"shop{number}", number)
    program = (
        "import gc, sys, threading, time, types; from itertools import count\n"
        "from pathlib import Path\n"
        "from volnux.events.modules import forget\n"
        "from volnux.loading import load_plan\n"
        "def imports():\n"
        "    for number in count():\n"
        "        sys.modules[f'lazily{number}'] = types.ModuleType('lazily')\n"
        "        time.sleep(0)\n"
        "sys.setswitchinterval(1e-5)\n"
        # Libraries install such callbacks; they let another thread run within a collection.
        "gc.callbacks.append(lambda phase, about: [None for _ in range(50)])\n"
        "sys.modules.update({f'old{k}': types.ModuleType('old') for k in range(3000)})\n"
        "threading.Thread(target=imports, daemon=True).start()\n"
        "for number in range(20):\n"
        "    load_plan(f'shop{number}/flow.pty')\n"
        "    forget(Path(f'shop{number}'))\n"
        "print('all loaded')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout == "all loaded\n", run.stderr


def test_a_spec_of_one_of_several_folders_is_pickled_by_anybody(own_folder):
    from volnux.loading import load_plan

    specs = []
    for number in (1, 2):
        path = own_folder / str(number)
        path.mkdir()
        (path / "flow.pty").write_text("Tell\n")
        (path / "flow_events.py").write_text(
            f"from volnux import event\n\n@event\ndef tell():\n    return True, {number}\n"
        )
        specs += load_plan(path / "flow.pty").specs
    for number, spec in enumerate(specs, start=1):
        again = pickle.loads(pickle.dumps(spec))
        assert again.target is spec.target
        assert again.event_class().process() == (True, number)


@pytest.mark.parametrize("name", ["shop", "volnux", "a"])
def test_one_folder_is_on_the_import_path_whatever_its_name(own_folder, name):
    folder(own_folder / name, 1)
    program = (
        "import sys; from volnux.events.modules import is_shared\n"
        "from volnux.loading import load_plan\n"
        "load_plan(sys.argv[1]); print(is_shared())"
    )
    path = own_folder / name / "flow.pty"
    run = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr


def test_a_folder_costs_the_same_however_many_there_are(own_folder):
    """Counted in calls of functions: a service may have thousands of folders."""
    program = (
        "import sys; from pathlib import Path; from volnux.loading import load_plan\n"
        "def calls(number):\n"
        "    folder = Path(str(number)); folder.mkdir(); (folder / 'flow.pty').write_text('Tell')\n"
        "    (folder / 'helpers.py').write_text(f'VALUE = {number}')\n"
        "    (folder / 'flow_events.py').write_text('import helpers; from volnux import event\\n'\n"
        "        '@event\\ndef tell():\\n    return True, helpers.VALUE')\n"
        "    count = 0\n"
        "    def profile(frame, what, argument):\n"
        "        nonlocal count\n"
        "        count += 1\n"
        "    sys.setprofile(profile); load_plan(folder / 'flow.pty'); sys.setprofile(None)\n"
        "    return count\n"
        "costs = [calls(number) for number in range(200)]\n"
        "print(min(costs[10:20]), min(costs[190:]))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert not run.stderr
    early, late = map(int, run.stdout.split())
    assert late < 2 * early, run.stdout


def test_a_fork_on_import_does_not_run_the_rest_twice(tmp_path):
    (tmp_path / "a.pty").write_text("A")
    (tmp_path / "events.py").write_text(
        "import os\nfrom volnux import event\nos.fork()\n@event\ndef A(): return True, None\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "volnux", "check", "--link", "a.pty"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.count("checked 1 file") + done.stderr.count("checked 1 file") == 1
