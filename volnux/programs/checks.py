"""The rules for a file and the files that it uses, as far as their texts alone show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from volnux.errors import Span
from volnux.pointy.options import in_braces
from volnux.pointy.parser import PointyFile
from volnux.pointy.report import clip
from volnux.pointy.scopes import MOST_PLACES
from volnux.pointy.tree import Flow, Group, OnFailure, Parallel, Unit, Used
from volnux.programs.arguments import ArgumentChecks
from volnux.programs.circles import Circle, order_of
from volnux.programs.findings import Findings

__all__ = ["check"]


def check(
    files: Sequence[PointyFile], uses: Sequence[Mapping[str, int]], findings: Findings
) -> None:
    """Add the errors of a file and of those that it uses.

    Args:
        files: the file, and every file that it uses.
        uses: for each file, the numbers of the files that it uses, by name; those that could not
            be read are missing.
        findings: where the errors are added.
    """
    order = order_of(uses)
    for circle in order.circles:
        _report_circle(files, circle, findings)
    _check_on_failure(files, findings)
    walked = [_walk(file) for file in files]
    arguments = ArgumentChecks(files, findings)
    for number, walk in enumerate(walked):
        for use in walk.used:
            used = uses[number].get(use.place.name)
            if used is not None and not findings.full(number):
                arguments.check(number, use.place, used)
    if not findings.failed:
        _check_evaluations(files, uses, walked, order.files, findings)
        _check_depth(uses, walked, order.files, findings)
        places = [walk.places for walk in walked]
        _check_counts("places", places, uses, walked, order.files, findings)
        # Through files that only use others, few places can belong to very many uses.
        rounds = [sum(use.rounds for use in walk.used) for walk in walked]
        _check_counts("uses", rounds, uses, walked, order.files, findings)


class _UsedPlace(NamedTuple):
    """A use in a flow, and how often the `again`s around it can run it in all."""

    place: Used
    rounds: int


class _Walked(NamedTuple):
    """What a walk over the flow of a file finds.

    Attributes:
        places: the number of its own places, counting all rounds.
        used: its uses, in reading order.
        judged: the units with an evaluation that may apply to the flow of a used file.
    """

    places: int
    used: list[_UsedPlace]
    judged: list[Unit]


def _walk(file: PointyFile) -> _Walked:
    places = 0
    used: list[_UsedPlace] = []
    judged: list[Unit] = []
    # A loop with its own stack, since a flow may be nested deeper than Python recurses.
    stack: list[tuple[Flow | Parallel | Unit, int]] = [(file.flow, 1)]
    while stack:
        node, rounds = stack.pop()
        match node:
            case Flow(parts=parts):
                stack += ((part, rounds) for part in reversed(parts))
            case Parallel(arms=arms):
                stack += ((arm, rounds) for arm in reversed(arms))
            case Unit(primary=primary):
                stack += ((branch.flow, rounds) for branch in reversed(node.branches))
                if not isinstance(primary, Used | Group):
                    places += rounds
                    continue
                if node.options:
                    again = node.option("again")
                    # Any higher number is too high, so its exact value does not matter.
                    rounds = min(rounds * int(again.value if again else 1), MOST_PLACES + 1)
                    if node.option("evaluation") and not node.option("each"):
                        judged.append(node)
                if isinstance(primary, Group):
                    stack.append((primary.body, rounds))
                else:
                    used.append(_UsedPlace(primary, rounds))
    return _Walked(places, used, judged)


_MOST_SHOWN = 10
"""The number of files of a circle that a message shows."""


def _report_circle(files: Sequence[PointyFile], circle: Circle, findings: Findings) -> None:
    names = [files[number].source.filename for number in circle.way]
    if len(names) > _MOST_SHOWN:
        middle = f"… ({len(names) - _MOST_SHOWN + 1} more)"
        names = [*names[: _MOST_SHOWN - 2], middle, names[-1]]
    one = len(circle.way) == 2
    use = next(use for use in files[circle.file].settings.uses if use.name == circle.name)
    findings.add(
        circle.file,
        "circle",
        f"{'the file uses itself' if one else 'the files use each other'}: {' -> '.join(names)}",
        use.path_span,
        hint="a flow cannot contain itself: "
        + ("remove this use" if one else "remove one of the uses"),
    )


def _check_on_failure(files: Sequence[PointyFile], findings: Findings) -> None:
    """Report each used file whose `@on-failure` is not that of the first file."""
    root = files[0]
    wanted = root.settings.on_failure or OnFailure.STOP
    for number, file in enumerate(files):
        found = file.settings.on_failure or OnFailure.STOP
        if found is wanted:
            continue
        spans = (each.span for each in file.directives if each.name == "on-failure")
        name = root.source.filename
        findings.add(
            number,
            "on-failure",
            f"after a failure this file says {found}, but '{name}', which uses it, says {wanted}",
            next(spans, Span(1, 1, 1, len(file.source.line(1)) + 1)),
            hint=f"write @on-failure: {wanted} here, or @on-failure: {found} in '{name}'",
        )


def _check_evaluations(
    files: Sequence[PointyFile],
    uses: Sequence[Mapping[str, int]],
    walked: Sequence[_Walked],
    order: Sequence[int],
    findings: Findings,
) -> None:
    """Report each `evaluation` of a use whose file is not one parallel group."""
    parallel: dict[int, bool] = {}

    def holds_parallel(number: int, held: Parallel | Used | None) -> bool:
        return parallel[uses[number][held.name]] if isinstance(held, Used) else held is not None

    for number in order:
        parallel[number] = holds_parallel(number, in_braces(files[number].flow))
        for unit in walked[number].judged:
            primary = unit.primary
            held = in_braces(primary.body) if isinstance(primary, Group) else primary
            if not isinstance(held, Used) or holds_parallel(number, held):
                continue
            evaluation = unit.option("evaluation")
            assert evaluation is not None
            used = files[uses[number][held.name]].source.filename
            findings.add(
                number,
                "misplaced-option",
                "the option 'evaluation' needs a file that contains exactly 'a || b …'",
                evaluation.span,
                hint=f"the flow of '{used}' is not one parallel group",
            )


_DEEPEST = 1000
"""How deep uses may be nested: the names of places, and the inputs around them, grow with it."""


def _check_depth(
    uses: Sequence[Mapping[str, int]],
    walked: Sequence[_Walked],
    order: Sequence[int],
    findings: Findings,
) -> None:
    """Report the deepest use of the first file if uses are nested too deep."""
    depths: dict[int, int] = {}
    for number in order:
        used = (depths[uses[number][use.place.name]] for use in walked[number].used)
        depths[number] = 1 + max(used, default=-1)
    if depths[0] > _DEEPEST:
        deepest = max(walked[0].used, key=lambda use: depths[uses[0][use.place.name]])
        findings.add(
            0,
            "too-deep",
            f"uses of files are nested more than {_DEEPEST} deep here",
            deepest.place.span,
            hint="a file may use files that use others, but not in so long a chain",
        )


def _check_counts(
    what: str,
    own: Sequence[int],
    uses: Sequence[Mapping[str, int]],
    walked: Sequence[_Walked],
    order: Sequence[int],
    findings: Findings,
) -> None:
    """Report the largest use of the first file if there are too many places or uses in all.

    Args:
        what: what is counted.
        own: how many each file has itself.
        uses: for each file, the numbers of the files that it uses, by name.
        walked: what is in each file.
        order: the numbers of the files, each after those that it uses.
        findings: where the error is added.
    """
    counts: dict[int, int] = {}
    # Nested uses multiply, so the places are counted without looking at each.
    for number in order:
        below = sum(
            use.rounds * counts[uses[number][use.place.name]] for use in walked[number].used
        )
        counts[number] = min(own[number] + below, MOST_PLACES + 1)
    if counts[0] <= MOST_PLACES or findings.failed:
        return

    def size(use: _UsedPlace) -> int:
        return use.rounds * counts[uses[0][use.place.name]]

    largest = max(walked[0].used, key=size)
    most = min(size(largest), MOST_PLACES + 1)
    shown = f"more than {MOST_PLACES}" if most > MOST_PLACES else str(most)
    findings.add(
        0,
        f"too-many-{what}",
        f"with the files that it uses, this file has more than {MOST_PLACES} {what}",
        largest.place.span,
        hint=f"each use has all {what} of its file: '{clip(largest.place.name)}' has {shown} here",
    )
