"""The images of the stacks: Volnux on top of the public images, or of replacements.

The images of Airflow and Prefect get a layer with Volnux's wheel, which is built here. If no image
registry can be reached, replacements of the public images are built from packages: Debian packages,
with debootstrap, and Python packages. The replacements have the same versions of Airflow and
Prefect. Postgres, Redis and Prometheus are those of Debian, and there is no Grafana.

An image that was already built from the same files is used again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine import EngineError, UnavailableError, alone, docker, install_packages

__all__ = ["PUBLIC", "base", "build"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

AIRFLOW_VERSION = "3.3.2"
PREFECT_VERSION = "3.9.1"
DEBIAN = "bookworm"

PUBLIC = {
    "airflow": f"apache/airflow:{AIRFLOW_VERSION}-python3.12",
    "prefect": f"prefecthq/prefect:{PREFECT_VERSION}-python3.12",
}
"""The base images, by stack."""

_ADDED = {"airflow": "alive.py", "prefect": "deploy.py"}
"""The files that an image gets in addition to the wheel."""

_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
_INDEXES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")


def build(stack: str, *, local: bool, requirements: str = "") -> dict[str, str]:
    """Build the images of a stack. Returns the variables with their names for the Compose file.

    Args:
        stack: `airflow`, `prefect` or `metrics`.
        local: whether to use replacements of the public images.
        requirements: Python packages that the events need, separated by spaces.

    Raises:
        EngineError: an image cannot be built here. The message says why.
    """
    if not local:
        if stack == "metrics":
            return {}
        return {f"{stack.upper()}_IMAGE": _with_volnux(stack, PUBLIC[stack], requirements)}
    debian = base()
    names = {
        f"{service.upper()}_IMAGE": _service(debian, service)
        for service in (("prometheus",) if stack == "metrics" else ("postgres", "redis"))
    }
    if stack != "metrics":
        names[f"{stack.upper()}_IMAGE"] = _with_volnux(stack, _host(debian, stack), requirements)
    return names


def _with_volnux(stack: str, base: str, requirements: str) -> str:
    """The image of a host with Volnux's wheel on top."""
    with tempfile.TemporaryDirectory(prefix="volnux-image-") as name:
        folder = Path(name)
        _wheel(folder)
        for file in ("Dockerfile", _ADDED[stack]):
            shutil.copy(HERE / stack / file, folder)
        tag = f"volnux-{stack}:{_digest(folder.iterdir(), base, requirements)}"
        arguments = {**_given(_INDEXES), "BASE": base, "REQUIREMENTS": requirements}
        if _make(tag, folder, arguments):
            _forget_others(tag)
    return tag


def _host(base: str, stack: str) -> str:
    """The replacement of Airflow's or Prefect's image, with the dependencies of Volnux."""
    python = _stand_in("python", base, _given(_INDEXES))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    pins = [*project["dependencies"], *extras["metrics"], *extras["otel"]]
    if stack == "prefect":
        pins += [*extras["prefect"], *extras["dask"]]
    version = AIRFLOW_VERSION if stack == "airflow" else PREFECT_VERSION
    index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL")
    given = {"UV_DEFAULT_INDEX": index} if index else {}
    return _stand_in(stack, python, {**given, "VERSION": version, "PINS": " ".join(pins)})


def _service(base: str, service: str) -> str:
    """The replacement of a service's image. One image has all services, and SERVICE selects one."""
    every = _stand_in("services", base, {}, HERE / "local" / "service")
    tag = f"volnux-local/{service}:{every.rpartition(':')[2]}"
    if not _there(tag):
        with tempfile.TemporaryDirectory(prefix="volnux-image-") as name:
            (Path(name) / "Dockerfile").write_text(f"FROM {every}\nENV SERVICE={service}\n")
            _make(tag, Path(name), {})
    return tag


def _stand_in(name: str, base: str, arguments: Mapping[str, str], *files: Path) -> str:
    """Build an image from a Dockerfile in the folder `local`."""
    source = HERE / "local" / f"{name}.Dockerfile"
    tag = f"volnux-local/{name}:{_digest((source, *files), base, *map(str, arguments.items()))}"
    with tempfile.TemporaryDirectory(prefix="volnux-image-") as folder:
        shutil.copy(source, Path(folder) / "Dockerfile")
        for path in files:
            shutil.copy(path, folder)
        _make(tag, Path(folder), {**arguments, "BASE": base})
    return tag


def base() -> str:
    """Build a small Debian with Python, and with the certificates that this machine trusts."""
    mirror, certificates = _mirror(), _certificates()
    packages = "ca-certificates,python3,python3-venv"
    tag = f"volnux-local/debian:{_digest(certificates, DEBIAN, mirror, packages)}"
    with alone("debian"):
        if not _there(tag):
            _bootstrap(tag, mirror, certificates, packages)
    return tag


def _bootstrap(tag: str, mirror: str, certificates: Iterable[Path], packages: str) -> None:
    if shutil.which("debootstrap") is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise UnavailableError(
                "local images need debootstrap, which only root can install: run this as root"
            )
        install_packages("debootstrap")
    if os.geteuid() != 0:
        raise UnavailableError(
            "only root can build local images, because debootstrap needs it: run this as root"
        )
    _say(f"making {tag}")
    with tempfile.TemporaryDirectory(prefix="volnux-debian-", dir="/var/tmp") as name:
        root = Path(name, "root")
        options = ("--variant=minbase", f"--include={packages}")
        try:
            _call("debootstrap", *options, DEBIAN, str(root), mirror)
        except EngineError as error:
            raise UnavailableError(str(error)) from error
        trusted = root / "etc/ssl/certs/ca-certificates.crt"
        for path in certificates:
            trusted.write_bytes(path.read_bytes())
        for path in (root / "var/cache/apt/archives").glob("*.deb"):
            path.unlink()
        inside = "/etc/ssl/certs/ca-certificates.crt"
        changes = [f"--change=ENV {name}={inside}" for name in _CERTIFICATES]
        archive = Path(name, "root.tar")
        _call("tar", "--create", f"--file={archive}", f"--directory={root}", ".")
        docker("import", *changes, str(archive), tag)


def _make(tag: str, folder: Path, arguments: Mapping[str, str]) -> bool:
    """Build an image from a folder unless it exists. Returns whether it was built."""
    given = {**_given(_PROXIES), **arguments}
    with alone(tag.replace("/", "-")):
        if _there(tag):
            return False
        _say(f"making {tag}")
        docker(
            "build",
            "--quiet",
            f"--tag={tag}",
            *(f"--build-arg={name}={value}" for name, value in given.items()),
            str(folder),
            seconds=1800,
        )
    return True


def _there(tag: str) -> bool:
    return bool(docker("images", "--quiet", tag).strip())


def _forget_others(tag: str) -> None:
    """Remove images with earlier wheels, unless containers use them."""
    repository, _, version = tag.partition(":")
    for other in docker("images", "--format", "{{.Tag}}", repository).split():
        if other != version:
            docker("rmi", f"{repository}:{other}", check=False)


def _wheel(folder: Path) -> None:
    """Build the wheel of this checkout into a folder."""
    tool = [sys.executable, "-m", "uv"]
    if subprocess.run([*tool, "--version"], capture_output=True, check=False).returncode:
        found = shutil.which("uv")
        if found is None:
            raise EngineError("uv is needed to build the wheel: pip install uv")
        tool = [found]
    _call(*tool, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT))
    (folder / ".gitignore").unlink(missing_ok=True)


def _mirror() -> str:
    """The mirror for Debian packages: VOLNUX_DEBIAN_MIRROR, or the one of this machine."""
    if given := os.environ.get("VOLNUX_DEBIAN_MIRROR"):
        return given
    system = Path("/etc/os-release")
    if system.exists() and "\nID=debian\n" in f"\n{system.read_text()}\n":
        listed = Path("/etc/apt").glob("sources.list.d/debian.sources")
        for path in (*listed, Path("/etc/apt/sources.list")):
            for line in path.read_text().splitlines() if path.exists() else ():
                for word in line.split():
                    if "://" in word and line.startswith(("URIs:", "deb ")):
                        return word
    return "http://deb.debian.org/debian"


def _certificates() -> list[Path]:
    """The bundle of certificates that this machine trusts, if there is one."""
    named = (os.environ.get(name, "") for name in _CERTIFICATES)
    for name in (*named, "/etc/ssl/certs/ca-certificates.crt"):
        if name and Path(name).is_file():
            return [Path(name)]
    return []


def _given(names: Iterable[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _digest(files: Iterable[Path], *words: str) -> str:
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(path.name.encode() + path.read_bytes())
    found.update("\0".join(words).encode())
    return found.hexdigest()[:12]


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr)[-3000:]
        raise EngineError(f"{' '.join(command)}:\n{said}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
