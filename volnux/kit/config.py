"""Variables and secrets of runs without a host: the environment, `volnux.toml`, files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from volnux.config import CONFIG_FILE, config_file, read_config
from volnux.errors import VolnuxError
from volnux.events.outcome import Host
from volnux.files import read_bytes
from volnux.masking import SHORTEST, remember

if TYPE_CHECKING:
    from volnux.backends.port import RunOptions
    from volnux.events.link import Plan

__all__ = [
    "LocalHost",
    "Overridden",
    "host_of",
]

_SECRETS = "VOLNUX_SECRETS_DIR"


@dataclass(frozen=True)
class LocalHost:
    """The variables and secrets of runs without an orchestrator; see `Host`.

    A variable is looked for in the environment as `VOLNUX_VAR_NAME`, then in `[variables]` of the
    `volnux.toml` beside the file or in the nearest folder above it. A secret is looked for in the
    environment as `VOLNUX_SECRET_NAME`, then as a file of its name in `VOLNUX_SECRETS_DIR`.

    Args:
        folder: the folder of the `.pty` file.
    """

    folder: Path

    def variable(self, name: str) -> Any:
        """See `Host`.

        Raises:
            ConfigError: the `volnux.toml` is not valid.
        """
        word = f"VOLNUX_VAR_{name.upper()}"
        if word in os.environ:
            return os.environ[word]
        path = config_file(self.folder)
        values = read_config(path).variables if path else {}
        if name not in values:
            where = f"{path} has none" if path else f"there is no {CONFIG_FILE} in {self.folder}"
            above = "" if path else " or above it"
            raise LookupError(f"{word} is not set, and {where}{above}")
        return values[name]

    def secret(self, name: str) -> str:
        """See `Host`."""
        word = f"VOLNUX_SECRET_{name.upper()}"
        if os.environ.get(word):
            return os.environ[word]
        folder = os.environ.get(_SECRETS)
        if not folder:
            raise LookupError(f"neither {word} nor {_SECRETS} is set")
        path = Path(folder, name)
        try:
            text = read_bytes(path).decode()
        except FileNotFoundError:
            raise LookupError(f"{word} is not set, and there is no file {path}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise LookupError(f"{word} is not set, and {path} cannot be read: {error}") from None
        return text.removesuffix("\n").removesuffix("\r")


@dataclass(frozen=True)
class Overridden:
    """A host with some values set for one run, as `volnux run --var` does."""

    host: Host
    variables: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def variable(self, name: str) -> Any:
        """See `Host`."""
        return self.variables[name] if name in self.variables else self.host.variable(name)

    def secret(self, name: str) -> str:
        """See `Host`."""
        return self.secrets[name] if name in self.secrets else self.host.secret(name)


def host_of(plan: Plan, options: RunOptions, host: Host | None = None) -> Host | None:
    """Where the variables and secrets of a run come from; None if its file declares none.

    Secrets are read here once, so that this process can hide them in its reports even if a worker
    process returns them.

    Args:
        plan: what runs.
        options: how it runs.
        host: the host of an orchestrator; None for the embedded backend.
    """
    graph = plan.graph
    secrets = graph.all_secrets
    if not (secrets or graph.all_variables):
        return None
    if host is None:
        filename = graph.source.filename if graph.source else ""
        host = LocalHost(Path(filename).absolute().parent)
    if options.variables or options.secrets:
        host = Overridden(host, options.variables, options.secrets)
    for spec in secrets:
        with contextlib.suppress(LookupError, VolnuxError):
            secret = host.secret(spec.name)
            if len(secret) >= SHORTEST:
                remember([secret])
    return host
