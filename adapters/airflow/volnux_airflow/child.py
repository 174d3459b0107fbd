"""The worker process of an event inside an Airflow task. It talks to Airflow like the task.

Airflow's supervisor gives a task a socket, which the task uses to ask for connections and variables
and to send its log. A child gets the same socket. It must tell Airflow that it runs inside a task
before it imports anything of Airflow: otherwise the import would look for a database that a task
must not use.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing.context
import multiprocessing.reduction
import os
from collections.abc import Callable
from typing import Any

from volnux.imported import imported
from volnux.kit.processes import Surroundings, begin_worker

__all__ = ["Supervisor", "begin_in_task"]

_HIDING = contextlib.ExitStack()

_RUNNER = "airflow.sdk.execution_time.task_runner"


class Supervisor:
    """A task's connection to its supervisor, which can be passed on to a new process.

    The task and its child never use it at the same time: the task waits while its child runs.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Any = descriptor

    @classmethod
    def of_task(cls) -> Supervisor | None:
        """The supervisor of the task in this process; None if there is none, as in `dag.test()`."""
        comms = getattr(imported(_RUNNER), "SUPERVISOR_COMMS", None)
        socket = getattr(comms, "socket", None)
        return None if socket is None else cls(socket.fileno())

    def __getstate__(self) -> dict[str, Any]:
        if multiprocessing.context.get_spawning_popen() is None:
            return self.__dict__
        return {"_descriptor": multiprocessing.reduction.DupFd(self._descriptor)}

    def connect(self) -> None:
        """Connect this process, so that variables, connections and the task log work in it."""
        os.environ["__AIRFLOW_SUPERVISOR_FD"] = str(self._descriptor.detach())
        # Airflow opens no database when it is used as a library. The variables that are removed
        # below hold no real database address in a task.
        os.environ["_AIRFLOW__AS_LIBRARY"] = "1"
        for section in ("DATABASE", "CORE"):
            os.environ.pop(f"AIRFLOW__{section}__SQL_ALCHEMY_CONN", None)
        from airflow.sdk.execution_time.task_runner import reinit_supervisor_comms

        reinit_supervisor_comms()


def begin_in_task(
    surroundings: Surroundings,
    supervisor: Supervisor | None,
    takes_secrets: bool,  # noqa: FBT001 - initializers of pools have no keyword arguments
    then: Callable[..., object] | None,
    arguments: tuple[Any, ...],
) -> None:
    """Make this process the worker of a task, then call the initializer of the user's pool."""
    begin_worker(surroundings)
    if supervisor is not None:
        try:
            supervisor.connect()
        except Exception:
            logging.getLogger(__name__).exception(
                "there is no connection to the supervisor of the task"
            )
    if takes_secrets:
        from volnux_airflow.output import secrets_hidden

        # Never exited: secrets stay hidden until the process ends.
        _HIDING.enter_context(secrets_hidden())
    if then is not None:
        then(*arguments)
