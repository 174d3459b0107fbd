"""Cuts the data of a batch pipeline into the inputs of each batch, without reading all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from volnux.events.inputs import InputError, bind_inputs
from volnux.pipeline.definition import PipelineDefinitionError
from volnux.pipeline.fields import InputDataField

if TYPE_CHECKING:
    from volnux.pipeline.base import Pipeline

__all__ = ["Cut"]


class Cut:
    """The batches of some data.

    Args:
        template: the pipeline that runs each batch.
        given: the data: a value for each field of the template, of any length.

    Raises:
        InputError: inputs are missing, unknown, of a wrong type, or cannot be cut.
        PipelineDefinitionError: the template has no field that is cut.
    """

    def __init__(self, template: type[Pipeline], given: Mapping[str, Any]) -> None:
        plan = template.plan()
        cut = {name: field for name, field in template.fields().items() if field.cut}
        if given and not cut:
            raise PipelineDefinitionError(
                f"{template.__name__} has no field with a batch_size or chunk_size: there is "
                "nothing to cut into batches"
            )
        readers = {**plan.readers, **dict.fromkeys(cut, _as_it_is)}
        # Times of a run are checked here, and made anew by each batch.
        clock = None
        if plan.timed:
            from volnux.schedules.moments import Clock

            clock = Clock.of(plan.graph)
        bound = bind_inputs(plan.graph.inputs, given, readers, plan.kinds, clock)
        self._fields: dict[str, InputDataField] = {}
        self._sources: dict[str, Any] = {}
        faults = {}
        for name, field in cut.items():
            if bound[name] is None:
                continue
            try:
                field.check_source(bound[name])
            except ValueError as error:
                faults[name] = f"the input '{name}' cannot be cut into batches: {error}"
            self._fields[name] = field
            self._sources[name] = bound[name]
        if faults:
            raise InputError(faults)
        self._same = {name: value for name, value in given.items() if name not in cut}

    @property
    def once(self) -> list[str]:
        """The inputs whose data can be read only once."""
        return [name for name, value in self._sources.items() if hasattr(value, "__next__")]

    def total(self) -> int | None:
        """The number of batches; None if it is known only after reading the data.

        Raises:
            InputError: the cut fields give different or unknown numbers of batches.
        """
        if len(self._sources) < 2:
            return self._cheap_total()
        counts = {name: self._fields[name].count(data) for name, data in self._sources.items()}
        unknown = [name for name, count in counts.items() if count is None]
        if unknown:
            others = " and ".join(f"'{name}'" for name in counts if name != unknown[0])
            raise InputError(
                {
                    name: f"the number of batches of the input '{name}' is not known before it is "
                    f"read, but it must equal that of {others}: give a list, or another value "
                    "with a length"
                    for name in unknown
                }
            )
        if len(set(counts.values())) > 1:
            said = ", ".join(f"'{name}' makes {count}" for name, count in counts.items())
            raise InputError(
                dict.fromkeys(counts, f"the inputs make different numbers of batches: {said}")
            )
        return next(iter(counts.values()))

    def _cheap_total(self) -> int | None:
        for name, data in self._sources.items():
            field = self._fields[name]
            if field.batch_size is None or field.batch_processor is not None:
                return None
            return field.count(data)
        return 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yields the inputs of each batch."""
        if not self._sources:
            return
        names = list(self._sources)
        parts = (self._fields[name].batches(self._sources[name]) for name in names)
        for values in zip(*parts, strict=True):
            yield {**self._same, **dict(zip(names, values, strict=True))}


def _as_it_is(value: Any) -> Any:
    return value
