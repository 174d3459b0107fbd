"""The building blocks of the flows that `volnux prefect flow` prints.

A flow has a `Place` for each event, and runs them in a `Run`:

    load = Place(Load)
    store = Place(Store, branches=())

    @flow(name="orders")
    async def orders(day: str) -> State[Any]:
        async with Run(day=day) as run:
            found = await run.result(load)
            run.value = await run.result(store, found)
        return run.state

Each place is a Prefect task run, with the same states, attempts and results as in the flow of a
`.pty`.
"""

from __future__ import annotations

from volnux_prefect.plain.arms import all_of, any_of
from volnux_prefect.plain.names import Input, Secret, Variable
from volnux_prefect.plain.places import Each, Ended, EventFailed, Fail, Place, RunStopped
from volnux_prefect.plain.run import Run
from volnux_prefect.plain.uses import Use, declared

__all__ = [
    "Each",
    "Ended",
    "EventFailed",
    "Fail",
    "Input",
    "Place",
    "Run",
    "RunStopped",
    "Secret",
    "Use",
    "Variable",
    "all_of",
    "any_of",
    "declared",
]
