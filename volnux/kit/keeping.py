"""What keeps a run, if its options say where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from volnux.hooks import About

if TYPE_CHECKING:
    from volnux.backends.port import RunOptions
    from volnux.events.answers import Answers
    from volnux.runs.keeper import Keeper

__all__ = ["answers_of", "keeper_of"]


def keeper_of(
    about: About,
    options: RunOptions,
    inputs: Mapping[str, Any],
    scheduled_at: dt.datetime | None,
) -> Keeper | None:
    """The listener that keeps a run in the store of its options; None if they have none.

    Args:
        about: the run.
        options: its options.
        inputs: the values of its inputs, by name.
        scheduled_at: its scheduled time, aware.
    """
    if options.store is None:
        return None
    from volnux.runs.store import Store

    earlier = options.earlier
    return Store.of(options.store).begin(
        about,
        inputs,
        scheduled_at=scheduled_at,
        resumed_from=None if earlier is None else earlier.run_id,
        anew=() if earlier is None else earlier.anew,
    )


def answers_of(options: RunOptions) -> Answers | None:
    """Where the answers of people come from; for a kept run, its store unless the options say so.

    Args:
        options: the options of the run.
    """
    if options.answers is not None or options.store is None:
        return options.answers
    from volnux.runs.answers import StoreAnswers
    from volnux.runs.store import Store

    return StoreAnswers(Store.of(options.store))
