"""The processes of a run: what they exchange, and how they stop together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mir_task.accumulate.state import State
from mir_task.errors import MIRDataError, MIRError, MIRModelError, OtherProcessError

T = TypeVar("T")
Layout = dict[str, tuple[torch.Size, torch.dtype]]

PARCEL_BYTES = 2**20

RAISED_AS = (MIRDataError, MIRModelError, OtherProcessError, MIRError)
"""What an error of one process is raised as in the others: the first that fits."""


class Ranks:
    """The processes of a run in torch's default group (gloo or NCCL); by default this process is alone.

    Every method but :meth:`share` is to be called by all processes in the same order.

    Args:
        rank: of this process, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @classmethod
    def of_torch(cls) -> Ranks:
        """Those of torch.distributed, where it was initialised (torchrun, accelerate, lmms-eval)."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    def share(self, count: int) -> range:
        """The numbers of ``count`` things that are this process's: neighbours, as many as others have, or one off."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def largest_share(self, count: int) -> int:
        """How many of ``count`` things the process has that has most."""
        return -(-count // self.size)

    def owner(self, number: int) -> int:
        """Which process works on the thing of this number, where one is enough."""
        return number % self.size

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in order of rank; for small things."""
        if self.size == 1:
            return [value]
        values: list[T | None] = [None] * self.size
        with _lost():
            dist.all_gather_object(values, value)
        return values  # type: ignore[return-value]

    @contextmanager
    def together(self) -> Iterator[None]:
        """At the end of the block wait for the others; if it failed in any of them, it fails in all.

        Blocks may be nested, also where only some processes come to an inner one: its end is then the others' end of
        the outer one.

        Raises:
            MIRError: with the message of the first process that failed (in that process its own error).
        """
        failure: Exception | None = None
        handled = sys.exc_info()[1]  # by whoever calls, such as a measurement that failed before this one
        try:
            yield
        except Exception as error:
            if _is_known(error, handled):
                raise
            failure = error
        said: tuple[type[MIRError], str] | None = None
        if isinstance(failure, MIRError):
            said = next(kind for kind in RAISED_AS if isinstance(failure, kind)), str(failure)
        elif failure is not None:
            said = OtherProcessError, repr(failure)
        failures = [each for each in self.gather(said) if each is not None]
        if failure is None and failures:
            kind, message = failures[0]
            failure = kind(message)
        if failure is not None:
            failure.known_to_all = True  # type: ignore[attr-defined]
            raise failure

    @contextmanager
    def in_step(self, model: nn.Module) -> Iterator[None]:
        """Let no process run the model in this block before all are about to.

        Where weights are sharded, a process that runs the model alone waits for ever.

        Raises:
            MIRError: as :meth:`together`, where another process failed instead of running the model.
        """

        def ready(_module: nn.Module, _args: Any) -> None:
            with self.together():
                pass

        # Before the hooks that gather the weights.
        handle = model.register_forward_pre_hook(ready, prepend=True)
        try:
            yield
        finally:
            handle.remove()

    def collect(self, state: State, owner: int) -> Iterator[State]:
        """Every process's state at the owner, one after the other in order of rank; nothing in the others.

        Tensors may come on another device than they were sent from.
        """
        if self.size == 1:
            yield state
            return
        layouts = self.gather(_layout(state))
        for rank, layout in enumerate(layouts):
            if self.rank == owner:
                yield state if rank == owner else self._receive(layout, rank)
            elif self.rank == rank:
                self._send(state, owner)

    def broadcast(self, state: State | None, source: int) -> State:
        """The state of one process in all of them."""
        if self.size == 1:
            assert state is not None
            return state
        layouts = self.gather(_layout(state or {}))
        received = {}
        for name, (shape, dtype) in layouts[source].items():
            own = state is not None and self.rank == source
            flat = _bytes(state[name], self._device) if own and state else self._empty(shape, dtype)
            with _lost():
                dist.broadcast(flat, source)
            received[name] = state[name] if own and state else flat.view(dtype).reshape(shape)
        return received

    def _send(self, state: State, to: int) -> None:
        for names in _parcels(_layout(state)):
            flat = [_bytes(state[name], self._device) for name in names]
            with _lost():
                dist.send(flat[0] if len(flat) == 1 else torch.cat(flat), to)

    def _receive(self, layout: Layout, source: int) -> State:
        state = {name: self._empty(shape, dtype).view(dtype) for name, (shape, dtype) in layout.items()}
        for names in _parcels(layout):
            flat = [state[name].view(torch.uint8) for name in names]
            parcel = flat[0] if len(flat) == 1 else torch.cat(flat)
            with _lost():
                dist.recv(parcel, source)
            if len(flat) > 1:
                for part, received in zip(flat, torch.split(parcel, list(map(len, flat))), strict=True):
                    part.copy_(received)
        return {name: state[name].reshape(shape) for name, (shape, _) in layout.items()}

    def _empty(self, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        return torch.empty(shape.numel() * dtype.itemsize, dtype=torch.uint8, device=self._device)

    @property
    def _device(self) -> torch.device:
        """Where the backend takes tensors."""
        on_gpu = "nccl" in str(dist.get_backend())
        return torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")


def _is_known(error: BaseException | None, handled: BaseException | None) -> bool:
    """Whether all processes know of an error, or of what led to it, by the end of an inner block.

    Args:
        error: what left the block.
        handled: what was being handled when the block began, which did not lead to it.
    """
    seen: list[BaseException] = []
    # An error that is raised again while what it led to is handled stands in a circle with that.
    while error is not None and error is not handled and error not in seen:
        if hasattr(error, "known_to_all"):
            return True
        seen.append(error)
        error = error.__cause__ or error.__context__
    return False


def _layout(state: State) -> Layout:
    return {name: (value.shape, value.dtype) for name, value in state.items()}


def _parcels(layout: Layout) -> list[list[str]]:
    """The names of tensors that travel together: small ones up to a mebibyte, a larger one alone, empty ones never."""
    parcels: list[list[str]] = []
    free = 0
    for name, (shape, dtype) in layout.items():
        size = shape.numel() * dtype.itemsize
        if size > free:
            parcels.append([])
            free = PARCEL_BYTES
        if size:
            parcels[-1].append(name)
            free -= size
    return parcels


def _bytes(value: Tensor, device: torch.device) -> Tensor:
    """[bytes] uint8: backends differ in the dtypes that they know."""
    return value.to(device).contiguous().reshape(-1).view(torch.uint8)


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # gloo's when a connection breaks, torch's DistBackendError for NCCL
        raise MIRError(
            f"another process of this run has ended or does not answer; without its pairs there is no MIR: {error}"
        ) from error
