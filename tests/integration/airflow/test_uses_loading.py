"""Used files in a dags folder: what is a DAG, changes, errors, and files that a worker lacks."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from volnux_airflow import load_dags, to_dag

from tests.conformance.cases import EVENTS
from tests.integration.airflow.names import DagBag, DagSerialization
from tests.integration.airflow.server import LOADER, NEW
from tests.integration.airflow.test_cases import serialized
from tests.integration.airflow.test_isolation import bundle_of

USING = '@use: clean = "shared/clean.pty"\nA -> clean'
STEPS = USING.replace("shared/", ".steps/")


@pytest.fixture
def dags(folder):
    """Writes files into a dags folder with a loader; the folder."""

    def write(**files):
        loader = {"dags/pty_dags.py": LOADER, "dags/events.py": EVENTS}
        return folder(**loader, **{f"dags/{name}": text for name, text in files.items()}) / "dags"

    return write


def test_a_used_file_is_a_dag_of_its_own_unless_it_is_ignored(dags):
    clean = {"shared/clean.pty": "A -> B", "shared/events.py": EVENTS}
    here = dags(**{"flow.pty": USING}, **clean)
    assert set(load_dags(here / "pty_dags.py")) == {"flow", "clean"}
    (here / ".airflowignore").write_text("shared/*.pty\n")
    made = load_dags(here / "pty_dags.py")
    assert list(made) == ["flow"]
    assert list(made["flow"].task_dict) == ["A", "clean.A", "clean.B"]


def test_a_changed_used_file_is_noticed(dags):
    here = dags(**{"flow.pty": STEPS, ".steps/clean.pty": "A", ".steps/events.py": EVENTS})
    first = load_dags(here / "pty_dags.py")["flow"]
    assert list(first.task_dict) == ["A", "clean.A"]
    # Only the text that the DAG's page shows is different.
    (here / ".steps/clean.pty").write_text("A  # better")
    assert serialized(load_dags(here / "pty_dags.py")["flow"]) != serialized(first)
    (here / ".steps/clean.pty").write_text("A -> B")
    assert list(load_dags(here / "pty_dags.py")["flow"].task_dict) == ["A", "clean.A", "clean.B"]


WRONG = {
    "A ->": "clean.pty:1:5: error",
    "A -> Nix": "clean.pty:1:6: error: there is no event 'Nix'",
    'A[executor="dask://host"]': "clean.pty:1:1: error: airflow cannot send an event to",
    "@on-failure: continue\nA": "error",
}


@pytest.mark.parametrize("text", WRONG)
def test_an_error_of_a_used_file_belongs_to_the_dag(dags, text, monkeypatch):

    here = dags(**{"flow.pty": STEPS, ".steps/clean.pty": text, ".steps/events.py": EVENTS})
    (found,) = DagBag(here).import_errors.values()
    assert WRONG[text] in found
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    (broken,) = DagBag(here).dags.values()
    assert broken.relative_fileloc.endswith("flow.pty")
    with pytest.raises(Exception, match="error: "):
        DagSerialization.to_dict(broken)


def test_files_outside_of_the_folder(dags, folder):
    files = {"shared/clean.pty": "A", "shared/events.py": EVENTS}
    root = folder(**files, **{"library/x.pty": "A", "library/events.py": EVENTS})
    here = dags(
        **{
            "direct.pty": '@use: clean = "../shared/clean.pty"\nA -> clean',
            "sub/inside.pty": '@use: clean = "../.steps/clean.pty"\nclean',
            "sub/events.py": EVENTS,
            ".steps/clean.pty": "A",
            ".steps/events.py": EVENTS,
            "through.pty": '@use: through = ".steps/through.pty"\nthrough',
            ".steps/through.pty": '@use: x = "../../library/x.pty"\nx',
            "linked.pty": '@use: x = ".library/x.pty"\nx',
        }
    )
    (here / ".library").symlink_to(root / "library")
    bag = DagBag(here)
    assert set(bag.dags) == {"inside", "linked"}
    (text,) = bag.import_errors.values()
    assert (
        f"{here}/direct.pty:1:15: error: '../shared/clean.pty' is outside of the dags folder {here}"
    ) in text
    assert f"{here}/.steps/through.pty:1:11: error: '../../library/x.pty' is outside" in text
    assert text.count("error:") == 2
    assert "hint: move the file or a link to it into the folder, or use it from an" in text
    # Whoever names a file says where it is.
    assert list(to_dag(here / "direct.pty").task_dict) == ["A", "clean.A"]


def test_the_folder_of_the_bundle_counts_for_a_loader_below_it(dags, monkeypatch):
    here = dags(
        **{
            "team/flow.pty": '@use: clean = "../.steps/clean.pty"\nA -> clean',
            "team/events.py": EVENTS,
            "team/pty_dags.py": LOADER,
            ".steps/clean.pty": "A",
            ".steps/events.py": EVENTS,
        }
    )
    assert "is outside of the dags folder" in str(DagBag(here / "team").import_errors)
    monkeypatch.syspath_prepend(str(here))
    assert set(DagBag(here / "team").dags) == {"flow"}


def test_a_file_in_a_package(dags, folder, monkeypatch):
    root = folder(
        **{
            "lib/shop_steps/__init__.py": "raise SystemExit",
            "lib/shop_steps/flows/clean.pty": '@use: more = "more.pty"\n@events: kit\nA -> more',
            "lib/shop_steps/flows/more.pty": "@events: kit\nB",
            "lib/kit.py": EVENTS,
        }
    )
    monkeypatch.syspath_prepend(str(root / "lib"))
    here = dags(**{"flow.pty": '@use: clean = "package:shop_steps.flows/clean.pty"\nA -> clean'})
    dag = load_dags(here / "pty_dags.py")["flow"]
    assert list(dag.task_dict) == ["A", "clean.A", "clean.more.B"]
    group = dag.task_group.get_task_group_dict()["clean--more"]
    assert group.tooltip == "more from package:shop_steps.flows/more.pty"


def test_the_bundle_and_the_importer(dags, monkeypatch):
    here = dags(
        **{
            "flow.pty": STEPS,
            "outside.pty": '@use: clean = "../clean.pty"\nA -> clean',
            "broken.pty": '@use: other = ".steps/broken.pty"\nA -> other',
            ".steps/clean.pty": "A",
            ".steps/broken.pty": "A\n\n-> Nix",
            ".steps/events.py": EVENTS,
        }
    )
    (here.parent / "clean.pty").write_text("A")
    (here.parent / "events.py").write_text(EVENTS)
    made = bundle_of(here, here.parent, monkeypatch)
    bag = DagBag(made.path)
    assert set(bag.dags) == {"flow"}
    errors = {Path(name).name: text for name, text in bag.import_errors.items()}
    assert "outside.pty:1:15: error: '../clean.pty' is outside of" in errors["outside.pty.py"]
    assert f"{here}/.steps/broken.pty:3:4: error: there is no event" in errors["broken.pty.py"]
    if NEW:
        from airflow.sdk.importers.base import FilesystemDagDefinition
        from volnux_airflow.importer import PtyDagImporter

        place = SimpleNamespace(path=here, name="pty")
        results = {
            name: PtyDagImporter().import_definition(FilesystemDagDefinition(here / name), place)
            for name in ("flow.pty", "outside.pty", "broken.pty")
        }
        assert [dag.dag_id for dag in results["flow.pty"].dags] == ["flow"]
        (outside,), (broken,) = results["outside.pty"].errors, results["broken.pty"].errors
        assert (outside.line_number, outside.column_number) == (1, 15)
        assert broken.line_number is None
        assert ".steps/broken.pty:3:4: error" in broken.message


def test_a_module_of_a_used_file_that_ends_the_process(parse, dags):
    here = dags(
        **{
            "flow.pty": STEPS,
            "good.pty": "A",
            ".steps/clean.pty": "# 1\n\nA",
            ".steps/clean_events.py": "import os\nos._exit(1)",
        }
    )
    loader = here / "pty_dags.py"
    assert not parse(loader, here)["came back"]
    found = parse(loader, here)
    assert "good" in found["dags"]
    ((name, text),) = found["errors"].items()
    assert name.endswith("flow.pty")
    assert (
        f"{here}/.steps/clean.pty:3:1: error: the module 'clean_events' cannot be imported" in text
    )
