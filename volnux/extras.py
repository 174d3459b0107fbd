"""How to install the dependencies of an optional part of volnux."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, requires

__all__ = ["how_to_install"]


def how_to_install(extra: str) -> str:
    """The command to install the packages of an extra.

    It lists the packages, so it works wherever volnux itself was installed from.
    """
    try:
        listed = requires("volnux") or []
    except PackageNotFoundError:  # volnux is used from source without installation
        listed = []
    packages = []
    for requirement in listed:
        package, _, marker = requirement.partition(";")
        if marker.replace('"', "'").strip() == f"extra == '{extra}'":
            packages.append(f"'{package.strip()}'")
    if not packages:
        return f"pip install '.[{extra}]' in a checkout of volnux"
    return f"pip install {' '.join(packages)}"
