"""Variables and secrets of a run on Airflow. Both are Airflow Variables."""

from __future__ import annotations

from dataclasses import dataclass

from volnux.errors import VolnuxError
from volnux_airflow import compat

__all__ = ["AirflowHost"]


@dataclass(frozen=True)
class AirflowHost:
    """The variables and secrets of an Airflow installation; see `volnux.events.outcome.Host`.

    Both are Variables of Airflow. They are read in the same order as in a task: from the secrets
    backends, from the environment, then from the database of Airflow.
    """

    def variable(self, name: str) -> str:
        """See `Host`."""
        return self._read(name)

    def secret(self, name: str) -> str:
        """See `Host`; from now on Airflow hides it in the logs of the task."""
        value = self._read(name)
        compat.mask_secret(value)
        return value

    def _read(self, name: str) -> str:
        try:
            value = compat.Variable.get(name, default=None)
        except Exception as error:  # noqa: BLE001 - a secrets backend may raise anything
            # Airflow's own message may have several lines and contain the answer of a server.
            said = str(error).partition("\n")[0]
            raise VolnuxError(f"Airflow could not read its Variable '{name}': {said}") from None
        if value is None:
            raise LookupError(
                f"Airflow has no Variable '{name}' in its secrets backends, in AIRFLOW_VAR_"
                f"{name.upper()} or in its database"
            )
        return str(value)
