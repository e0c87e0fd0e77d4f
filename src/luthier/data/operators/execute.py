"""Run operators over batches: in this process, or over several, in order and with bounded memory."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import reduce

import pyarrow

from luthier.core.errors import DataError

Operator = Callable[[pyarrow.RecordBatch], pyarrow.RecordBatch]
"""What is done to a batch of rows. It can be pickled, and depends on nothing but the batch and its own options."""

Step = Callable[[Iterable[pyarrow.RecordBatch]], Iterator[pyarrow.RecordBatch]]
"""What must see all rows. It keeps every row, in order, and holds a bounded number of them in memory."""

_WAITING_PER_PROCESS = 2


def apply(
    batches: Iterable[pyarrow.RecordBatch],
    operators: Sequence[Operator],
    *,
    num_processes: int = 1,
    ray_address: str | None = None,
) -> Iterator[pyarrow.RecordBatch]:
    """Yield each batch as the operators leave it, in the order that the batches came in.

    Args:
        batches: Rows.
        operators: Applied one after the other.
        num_processes: Processes to spread the batches over; the result does not depend on it.
        ray_address: Spread them over this Ray cluster instead; see `ray_execute.apply_on_ray`.

    Raises:
        DataError: A process was ended from outside, or there is no cluster at the address.
    """
    if ray_address is not None:
        from luthier.data.operators.ray_execute import apply_on_ray

        yield from apply_on_ray(batches, operators, address=ray_address)
        return
    if num_processes == 1 or not operators:
        for batch in batches:
            yield apply_all(operators, batch)
        return
    # A new interpreter, not a fork: threads of torch and Arrow do not survive one.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[pyarrow.RecordBatch]] = deque()
    with ProcessPoolExecutor(num_processes, context, _take_operators, (tuple(operators),)) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_apply_taken, batch))
                if len(waiting) > num_processes * _WAITING_PER_PROCESS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise DataError(
                "a process that worked on rows was ended from outside",
                cure="if the system ran out of memory, use fewer processes",
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def apply_all(operators: Sequence[Operator], batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Apply operators one after the other."""
    return reduce(lambda rows, operator: operator(rows), operators, batch)


_taken: list[Operator] = []
"""The operators of a process that works for `apply`: they travel once, and keep what they have built."""


def _take_operators(operators: Sequence[Operator]) -> None:
    _taken[:] = operators


def _apply_taken(batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    return apply_all(_taken, batch)
