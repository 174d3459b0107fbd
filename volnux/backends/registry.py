"""The backends that are installed, found through entry points."""

from __future__ import annotations

from importlib.metadata import entry_points

from volnux.backends.port import Backend, BackendError
from volnux.errors import nearest

__all__ = ["GROUP", "backend_names", "get_backend"]

GROUP = "volnux.backends"

_EXTRAS = ("airflow", "prefect")


def backend_names() -> list[str]:
    """The names of the installed backends, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def get_backend(name: str) -> Backend:
    """Find the backend with that name.

    Raises:
        BackendError: there is none, or it cannot be imported.
    """
    points = list(entry_points(group=GROUP, name=name))
    if not points:
        names = backend_names()
        close = nearest(name, names)
        message = f"there is no backend '{name}'"
        if close:
            message += f"; did you mean '{close[0]}'?"
        elif name in _EXTRAS:
            message += _how_to_install(name)
        else:
            message += f"; installed: {', '.join(names) or 'none'}"
        raise BackendError(message)
    try:
        backend = points[0].load()()
    except ImportError as error:
        hint = _how_to_install(name) if name in _EXTRAS else ""
        raise BackendError(f"the backend '{name}' cannot be loaded: {error}{hint}") from error
    if not isinstance(backend, Backend):
        raise BackendError(f"the backend '{name}' is not a volnux.backends.Backend: {backend!r}")
    return backend


def _how_to_install(name: str) -> str:
    from volnux.extras import how_to_install

    return f"; install it with: {how_to_install(name)}"
