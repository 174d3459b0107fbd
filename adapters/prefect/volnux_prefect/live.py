"""Check what the configured Prefect server lacks for a pipeline: `volnux check --live`."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound
from prefect.utilities.templating import find_placeholders
from prefect.variables import Variable

from volnux.errors import Diagnostic, Severity, Span
from volnux.events.link import Plan
from volnux.events.modules import module_of
from volnux.graph.model import At
from volnux_prefect.deployment.flowsfile import FLOWS, FlowsFile, entrypoint
from volnux_prefect.deployment.project import PROJECT, text_of
from volnux_prefect.deployment.server import connected
from volnux_prefect.deployment.yamlfile import read_project
from volnux_prefect.host import SECRET_TYPE, block_name, variable_name
from volnux_prefect.limits import missing_limits
from volnux_prefect.translate import concurrency_tag, limits_of

__all__ = ["lacking"]


def lacking(plan: Plan) -> list[Diagnostic]:
    """Return a diagnostic for each thing that the server lacks for a plan.

    Raises:
        BackendError: the server does not answer.
    """
    with connected() as client:
        return [
            *_pools(client, plan),
            *_limits(client, plan),
            *_declared(client, plan),
            *_named_in_events(client, plan),
        ]


def _pools(client: SyncPrefectClient, plan: Plan) -> Iterator[Diagnostic]:
    """Check the work pools and queues that the nearest `prefect.yaml` names for this file."""
    for path, entry in _entries(plan):
        yield from _templates(client, path, entry)
        pool = entry.get("work_pool")
        if not isinstance(pool, dict) or "{{" in str(pool):
            continue
        name, queue = pool.get("name"), pool.get("work_queue_name")
        span = _line_of(path, f"name: {name}")
        try:
            known = client.read_work_pool(str(name))
        except ObjectNotFound:
            yield Diagnostic(
                "work-pool",
                f"the server has no work pool '{name}', "
                f"which the deployment {entry.get('name')} uses",
                str(path),
                span=span,
                hint=f"create it: prefect work-pool create {name} --type process",
            )
            continue
        queues = {each.name for each in client.read_work_queues(work_pool_name=known.name)}
        if queue and queue not in queues:
            yield Diagnostic(
                "work-queue",
                f"the work pool '{name}' has no queue '{queue}'",
                str(path),
                span=_line_of(path, f"work_queue_name: {queue}"),
                hint=f"create it: prefect work-queue create {queue} --pool {name}",
            )


def _limits(client: SyncPrefectClient, plan: Plan) -> Iterator[Diagnostic]:
    """Check that the server has the limits of `[concurrency=…]`, with the values of the file."""
    graph = plan.graph
    missing = missing_limits(client, limits_of(graph))
    for node in graph.nodes:
        limit = missing.get(concurrency_tag(graph, node))
        if limit is not None:
            yield graph.diagnostic(
                "limit",
                f"the server's limit for {node.id} is not {limit} yet: a deployment or the first "
                "run sets it",
                at=node,
                severity=Severity.NOTE,
            )


def _declared(client: SyncPrefectClient, plan: Plan) -> Iterator[Diagnostic]:
    """Check the variables and secrets that the file and the files it uses declare."""
    graph = plan.graph
    variables = [(n, item) for n, declared in graph.declared() for item in declared.variables]
    seen: set[str] = set()
    # If one file has a default for a variable and another one requires it, the latter counts.
    for number, variable in sorted(variables, key=lambda each: not each[1].required):
        own = variable_name(variable.name)
        if own in seen:
            continue
        seen.add(own)
        if client.read_variable_by_name(own) is not None:
            continue
        message, severity = f"the server has no variable '{own}'", Severity.ERROR
        if not variable.required:
            message, severity = f"{message}: its default is taken", Severity.NOTE
        yield graph.diagnostic(
            "variable",
            message,
            at=At(variable.span, number),
            hint=f"make it: prefect variable set {own} VALUE",
            severity=severity,
        )
    seen.clear()
    for number, declared in graph.declared():
        for secret in declared.secrets:
            own = block_name(secret.name)
            if own in seen:
                continue
            seen.add(own)
            if not _has_block(client, SECRET_TYPE, own):
                yield graph.diagnostic(
                    "secret",
                    f"the server has no Secret block '{own}'",
                    at=At(secret.span, number),
                    hint=f"make it on the page Blocks, or in Python: Secret(value=…).save({own!r})",
                )


def _named_in_events(client: SyncPrefectClient, plan: Plan) -> Iterator[Diagnostic]:
    """Check the variables and blocks that event code names in string literals."""
    seen: set[tuple[str, str]] = set()
    for spec in plan.specs:
        module = module_of(spec.target) if spec is not None else None
        if spec is None or module is None:
            continue
        code = getattr(spec.event_class, "function", spec.event_class)
        try:
            lines, first = inspect.getsourcelines(code)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            continue
        margin = len(lines[0]) - len(lines[0].lstrip())
        for node in ast.walk(tree):
            named = _named(node)
            if named is None or named in seen:
                continue
            seen.add(named)
            found = _lacks(client, getattr(module, named[0], None), *named)
            if found is None:
                continue
            assert isinstance(node, ast.Call)
            number, column = first + node.lineno - 1, node.col_offset + margin + 1
            yield Diagnostic(
                "named",
                found,
                _shown(inspect.getsourcefile(code) or module.__name__),
                span=Span(number, column, number, column + len(ast.unparse(node.func))),
                severity=Severity.WARNING,
                text=lines[node.lineno - 1].rstrip("\n"),
            )


def _named(node: ast.AST) -> tuple[str, str] | None:
    """The class and the name in a call like `Variable.get("x")`; None for other nodes."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=kind), attr="get" | "aget" | "load" | "aload"),
            args=[ast.Constant(value=str(name))],
            keywords=[],
        ):
            return kind, name
    return None


def _lacks(client: SyncPrefectClient, kind: Any, shown: str, name: str) -> str | None:
    """A message if the server lacks a variable or block that code names; None otherwise."""
    if kind is Variable:
        known = client.read_variable_by_name(name)
        return None if known else f"the server has no variable '{name}'"
    if not (isinstance(kind, type) and issubclass(kind, Block)):
        return None
    slug, _, own = name.rpartition("/")
    if _has_block(client, slug or kind.get_block_type_slug(), own):
        return None
    return f"the server has no {shown} block '{own}'"


def _has_block(client: SyncPrefectClient, slug: str, name: str) -> bool:
    try:
        client.read_block_document_by_name(name, slug)
    except ObjectNotFound:
        return False
    return True


def _templates(
    client: SyncPrefectClient, path: Path, entry: dict[str, Any]
) -> Iterator[Diagnostic]:
    """Check the variables and blocks that an entry of `prefect.yaml` names in double braces."""
    for placeholder in sorted(find_placeholders(entry), key=lambda each: each.name):
        parts = placeholder.name.split(".")
        match parts:
            case ["prefect", "variables", name, *_]:
                known = client.read_variable_by_name(name) is not None
                what = f"variable '{name}'"
            case ["prefect", "blocks", slug, name, *_]:
                known = _has_block(client, slug, name)
                what = f"{slug} block '{name}'"
            case _:
                continue
        if not known:
            yield Diagnostic(
                "named",
                f"the server has no {what}, which the deployment {entry.get('name')} uses",
                str(path),
                span=_line_of(path, placeholder.full_match),
            )


def _entries(plan: Plan) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The deployments of this file in the nearest `prefect.yaml` above it."""
    source = plan.graph.source
    if source is None:
        return
    file = Path(source.filename)
    for folder in file.resolve().parents:
        path = folder / PROJECT
        if not path.is_file():
            continue
        loaded = FlowsFile.read(text_of(folder / FLOWS)).variables
        variable = loaded.get(file.resolve().relative_to(folder).as_posix())
        data = read_project(text_of(path), _shown(path))
        for entry in data.get("deployments") or []:
            if isinstance(entry, dict) and entry.get("entrypoint") == entrypoint(str(variable)):
                yield Path(_shown(path)), entry
        return


def _line_of(path: Path, text: str) -> Span | None:
    """The first place in a file where a text is a whole word; None if there is none."""
    whole = re.compile(rf"(?:\b|(?=\W)){re.escape(text)}(?![\w.-])")
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        found = whole.search(line)
        if found:
            return Span(number, found.start() + 1, number, found.end() + 1)
    return None


def _shown(file: str | Path) -> str:
    """The path relative to the current folder, or unchanged if it is not below that folder."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
