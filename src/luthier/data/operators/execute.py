"""Run operators over batches: in this process, or over several, in order and with bounded memory."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from functools import reduce

import pyarrow

Operator = Callable[[pyarrow.RecordBatch], pyarrow.RecordBatch]
"""What is done to a batch of rows. It can be pickled, and depends on nothing but the batch and its own options."""

_WAITING_PER_PROCESS = 2


def apply(
    batches: Iterable[pyarrow.RecordBatch], operators: Sequence[Operator], *, num_processes: int = 1
) -> Iterator[pyarrow.RecordBatch]:
    """Yield each batch as the operators leave it, in the order that the batches came in.

    Args:
        batches: Rows.
        operators: Applied one after the other.
        num_processes: Processes to spread the batches over; the result does not depend on it.
    """
    if num_processes == 1:
        for batch in batches:
            yield _apply_all(operators, batch)
        return
    # A new interpreter, not a fork: threads of torch and Arrow do not survive one.
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[pyarrow.RecordBatch]] = deque()
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_apply_all, operators, batch))
                if len(waiting) > num_processes * _WAITING_PER_PROCESS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _apply_all(operators: Sequence[Operator], batch: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    return reduce(lambda rows, operator: operator(rows), operators, batch)
