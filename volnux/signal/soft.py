"""`SoftSignal`: a named signal, its listeners, and the arguments that they receive."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, Protocol, cast

import blinker

from volnux import usercode
from volnux.errors import VolnuxError, did_you_mean
from volnux.usercode import runs_user_code

__all__ = ["SIGNAL_PARENT", "ListenerError", "SignalParent", "SoftSignal", "is_heard", "redirected"]

log = logging.getLogger("volnux.signal")

_NAMESPACE = blinker.Namespace()
_LOCK = threading.RLock()
_NUMBERS = itertools.count()
_ARGUMENTS: dict[str, tuple[str, ...]] = {}
_REDIRECTED: dict[str, Redirect] = {}
_HEARD: set[str] = set()


class SignalParent(Protocol):
    """An object that also receives the signals of its children: a batch pipeline."""

    def hears(self, signal: SoftSignal) -> bool:
        """Whether listeners to this object receive a signal of its children."""


SIGNAL_PARENT: ContextVar[SignalParent | None] = ContextVar("volnux_signal_parent", default=None)
"""The current parent of emitted signals; a pipeline keeps the one from its creation."""

Redirect = Callable[["SoftSignal", Any, dict[str, Any]], object]
"""Receives a signal, its sender and its arguments instead of the listeners."""


class ListenerError(VolnuxError, TypeError):
    """A listener cannot be connected, or requires an argument that its signal does not provide."""


class _Receiver:
    """Calls a listener for blinker, with the arguments that it names, and logs its errors."""

    def __init__(self, listener: Callable[..., Any], signal: SoftSignal) -> None:
        self.listener = listener
        self.number = next(_NUMBERS)
        self.signal = signal
        self.wanted = _wanted(listener, signal)

    @runs_user_code
    def __call__(self, sender: Any, **arguments: Any) -> Any:
        given = {"sender": sender, "signal": self.signal, **arguments}
        if self.wanted is not None:
            given = {name: given[name] for name in self.wanted if name in given}
        generation = usercode.generation
        try:
            returned = self.listener(**given)
        except BaseException as error:
            if usercode.generation != generation:
                usercode.end_child(error)
            if not isinstance(error, Exception | SystemExit):
                raise
            log.exception("a listener of the signal %s failed: %r", self.signal.name, self.listener)
            return None
        if usercode.generation != generation:
            usercode.end_child()
        return returned


class SoftSignal:
    """A signal with a name: two objects with the same name are the same signal.

    Args:
        name: the name.
        arguments: the names of the arguments of `emit`, for checking listeners when they are
            connected; None to allow any.
    """

    def __init__(self, name: str, arguments: Sequence[str] | None = None) -> None:
        if not isinstance(name, str) or not name:
            raise ListenerError(f"a signal must have a name, found {name!r}")
        self.name = name
        if arguments is not None:
            _ARGUMENTS[name] = tuple(arguments)
        self._signal = _NAMESPACE.signal(name)

    def __repr__(self) -> str:
        return f"SoftSignal({self.name!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SoftSignal) and self.name == other.name

    def __hash__(self) -> int:
        return hash((SoftSignal, self.name))

    def __reduce__(self) -> tuple[type[SoftSignal], tuple[str]]:
        return SoftSignal, (self.name,)

    @property
    def arguments(self) -> tuple[str, ...] | None:
        """The names of the arguments besides `sender` and `signal`; None if any are allowed."""
        return _ARGUMENTS.get(self.name)

    @property
    def has_listeners(self) -> bool:
        """Whether there is a listener, for any sender."""
        return self.name in _HEARD

    def connect(self, listener: Callable[..., Any], sender: Any = None) -> Callable[..., Any]:
        """Call `listener` when the signal is emitted.

        Args:
            listener: any callable. It receives, by name, those arguments that it declares:
                arguments of the signal, `sender` and `signal`; with `**kwargs`, it receives all of
                them. It stays connected until it is disconnected, even if it is a lambda.
            sender: call it only for this sender: an object, or a class, which includes its
                instances and subclasses. None means all senders.

        Returns:
            The listener.

        Raises:
            ListenerError: it is not callable, or requires an argument that the signal lacks.
        """
        receiver = _Receiver(listener, self)
        with _LOCK:
            known = self._find(listener, sender)
            if known is None:
                self._signal.connect(
                    receiver, blinker.ANY if sender is None else sender, weak=False
                )
                _HEARD.add(self.name)
        return listener

    def disconnect(self, listener: Callable[..., Any], sender: Any = None) -> bool:
        """Undo `connect` with the same arguments; return whether the listener was connected."""
        with _LOCK:
            receiver = self._find(listener, sender)
            if receiver is None:
                return False
            # Disconnect from every sender: the receiver has only one, and blinker would keep it
            # otherwise.
            self._signal.disconnect(receiver)
            if not self._signal.receivers and self.name not in _REDIRECTED:
                _HEARD.discard(self.name)
            return True

    def emit(self, sender: Any = None, **arguments: Any) -> list[tuple[Any, Any]]:
        """Call all listeners to this sender, in the order in which they were connected.

        An exception of a listener is logged and does not affect other listeners.

        Returns:
            Pairs of a listener and its return value.
        """
        redirect = _REDIRECTED.get(self.name)
        if redirect is not None:
            redirect(self, sender, arguments)
            return []
        if not self._signal.receivers:
            return []
        return self._tell(sender, arguments, _parent(sender, arguments))

    send = emit

    def relay(self, parent: SignalParent, sender: Any, arguments: dict[str, Any]) -> None:
        """Emit a signal again that a child of `parent` emitted in another process."""
        self._tell(sender, arguments, parent)

    def _tell(
        self, sender: Any, arguments: dict[str, Any], parent: SignalParent | None
    ) -> list[tuple[Any, Any]]:
        senders = list(_senders(sender))
        if parent is not None and parent.hears(self):
            senders += _senders(parent)
        receivers: dict[int, _Receiver] = {}
        for candidate in senders:
            for receiver in self._receivers(candidate):
                receivers[id(receiver)] = receiver
        ordered = sorted(receivers.values(), key=lambda receiver: receiver.number)
        return [(receiver.listener, receiver(sender, **arguments)) for receiver in ordered]

    def _find(self, listener: Callable[..., Any], sender: Any) -> _Receiver | None:
        key = blinker.ANY if sender is None else sender
        for receiver in self._receivers(key):
            if receiver.listener == listener and self._connected_to(receiver, key):
                return receiver
        return None

    def _receivers(self, sender: Any) -> list[_Receiver]:
        return [cast(_Receiver, each) for each in self._signal.receivers_for(sender)]

    def _connected_to(self, receiver: _Receiver, sender: Any) -> bool:
        """Whether the receiver was connected to exactly this sender, and not to all senders."""
        any_ = receiver in self._receivers(blinker.ANY)
        return any_ if sender is blinker.ANY else not any_


@contextlib.contextmanager
def redirected(names: Iterable[str], redirect: Redirect) -> Iterator[None]:
    """Send signals of these names to a function instead of their listeners, in all threads."""
    with _LOCK:
        before = dict(_REDIRECTED)
        _REDIRECTED.update(dict.fromkeys(names, redirect))
        heard = set(_HEARD)
        _HEARD.update(_REDIRECTED)
    try:
        yield
    finally:
        with _LOCK:
            _REDIRECTED.clear()
            _REDIRECTED.update(before)
            _HEARD.intersection_update(heard.union(before, _connected()))


def is_heard(names: frozenset[str]) -> bool:
    """Whether any signal with one of these names has a listener; this check is cheap."""
    return not _HEARD.isdisjoint(names)


def _connected() -> set[str]:
    return {name for name, signal in _NAMESPACE.items() if signal.receivers}


def _parent(sender: Any, arguments: dict[str, Any]) -> SignalParent | None:
    """The parent of the sender: that of the pipeline in the arguments, or the current one."""
    context = arguments.get("execution_context")
    for each in (getattr(context, "pipeline", None), arguments.get("pipeline"), sender):
        parent = getattr(each, "signal_parent", None)
        if parent is not None:
            return cast(SignalParent, parent)
    return SIGNAL_PARENT.get()


def _senders(sender: Any) -> Iterator[Any]:
    """The senders that a listener may have named: the object, its class, and their bases."""
    if sender is None:
        yield blinker.ANY
        return
    if not isinstance(sender, type):
        yield sender
        sender = type(sender)
    yield from sender.__mro__


def _wanted(listener: Callable[..., Any], signal: SoftSignal) -> tuple[str, ...] | None:
    """The argument names that the listener takes; None for all."""
    if not callable(listener):
        raise ListenerError(f"a listener must be a function, found {listener!r}")
    if inspect.iscoroutinefunction(listener):
        raise ListenerError(
            f"the listener {listener.__name__!r} is a coroutine function, "
            "which would never be awaited"
        )
    try:
        parameters = list(inspect.signature(listener).parameters.values())
    except (TypeError, ValueError):
        return None
    for parameter in parameters:
        if parameter.kind is parameter.POSITIONAL_ONLY and parameter.default is parameter.empty:
            raise ListenerError(
                f"the listener {getattr(listener, '__name__', listener)!r} takes "
                f"'{parameter.name}' by position only, but arguments are passed by name"
            )
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = [p.name for p in parameters if p.default is p.empty and p.name in names]
    given = signal.arguments
    if given is not None:
        for name in required:
            if name not in (*given, "sender", "signal"):
                hint = did_you_mean(name, given, f"it provides {', '.join(given)}")
                raise ListenerError(
                    f"the listener {getattr(listener, '__name__', listener)!r} requires the "
                    f"argument '{name}', which the signal {signal.name} does not provide; {hint}"
                )
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return tuple(names)
