"""Calls to one exchange through ccxt: deadline, rate budget, order of private calls, errors in our words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, TimeoutError

from clients.budget import Budget, Priority
from clients.calls import bounded
from clients.ccxt_errors import About, error_for
from clients.ccxt_loop import Runner
from clients.ccxt_quirks import Quirk
from clients.exchange import ExchangeError, OutcomeUnknown, RateLimited, Unreachable
from clients.redaction import Redactor

__all__ = ["Ask", "Calls"]

T = TypeVar("T")


class _Late(Exception):
    """The deadline passed."""


@define(eq=False)
class Calls:
    """How one client asks.

    :ivar quirk: says whether private calls go one at a time, and what the exchange's words mean.
    """

    venue: str
    runner: Runner
    clock: Any
    budget: Budget
    deadline: float
    redactor: Redactor
    quirk: Quirk
    _turn: DeferredLock = field(init=False, factory=DeferredLock)
    _running: dict[Deferred[Any], bool] = field(init=False, factory=dict)  # and whether it was given up

    async def ask(
        self,
        doing: str,
        work: Callable[[], Awaitable[T]],
        *,
        about: About = About.READ,
        priority: Priority = Priority.READ,
        private: bool = False,
    ) -> T:
        """Run *work* on ccxt's loop; what it converts is converted there, where nothing else changes it meanwhile.

        :raise ExchangeError: one of the classes of `clients.exchange`.
        :raise NotImplementedError: ccxt or the exchange does not have it.
        """
        until = self.clock.seconds() + self.deadline
        await self._wait(doing, self.budget.take(priority), until, self.budget.wait(priority))
        if not (private and self.quirk.serial):
            return await self._run(doing, work, about, until)
        await self._wait(doing, self._turn.acquire(), until, 1.0)
        try:
            return await self._run(doing, work, about, until)
        except Unreachable as error:
            if error.code != "InvalidNonce":
                raise
            # A call of ccxt's own went in between; nothing was carried out.
            return await self._run(doing, work, about, until)
        finally:
            self._turn.release()

    async def _run(self, doing: str, work: Callable[[], Awaitable[T]], about: About, until: float) -> T:
        left = max(0.0, until - self.clock.seconds())
        doubt = Unreachable if about is About.READ else OutcomeUnknown
        running = self.runner.call(_coroutine(work))
        self._running[running] = False
        try:
            return await bounded(running, left, self.clock, _Late)
        except _Late:
            raise self._error(doubt, doing, f"no answer in {self.deadline:g} s") from None
        except CancelledError:
            if not self._running[running]:
                raise
            raise self._error(doubt, doing, "disconnected before the answer") from None
        except (ExchangeError, NotImplementedError):
            raise
        except Exception as error:
            raise self.translated(doing, error, about) from error
        finally:
            del self._running[running]

    def stop(self) -> None:
        """Give up what is under way, which ccxt would let connect for as long as it takes."""
        while self._running:  # who waited for a turn has it then, and who is told may give up another one
            running = next(iter(self._running))
            self._running[running] = True
            running.cancel()

    def translated(self, doing: str, error: BaseException, about: About) -> Exception:
        """What an error of ccxt means, without secrets."""
        found = error_for(self.venue, doing, error, about, self.quirk.texts)
        if isinstance(found, RateLimited):
            return RateLimited(
                self.venue, doing, self.redactor.clean(found.why), found.code, retry_after=found.retry_after
            )
        if isinstance(found, ExchangeError):
            return type(found)(self.venue, doing, self.redactor.clean(found.why), found.code)
        return found

    async def _wait(self, doing: str, place: Deferred[Any], until: float, wait: float) -> None:
        if place.called:
            await place
            return
        try:
            await place.addTimeout(max(0.0, until - self.clock.seconds()), self.clock)
        except TimeoutError:
            why = f"{self.budget.rate:g} calls a second are used up; nothing was sent"
            raise RateLimited(self.venue, doing, why, retry_after=max(wait, 0.1)) from None

    def _error(self, kind: type[ExchangeError], doing: str, why: str) -> ExchangeError:
        return kind(self.venue, doing, self.redactor.clean(why))


async def _coroutine(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


class Ask(Protocol):
    """Calls *work* with the session's ccxt object where ccxt has *method*, which is a name in its `has`."""

    def __call__(
        self,
        doing: str,
        method: str,
        work: Callable[[Any], Awaitable[Any]],
        *,
        about: About = About.READ,
        priority: Priority = Priority.READ,
        private: bool = True,
    ) -> Awaitable[Any]: ...
