"""Run operators on Ray Data, where one machine is not enough: the same batches, the same result, in the same order."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow

from luthier.core.errors import DataError
from luthier.core.optional import require
from luthier.data.operators.execute import Operator, apply_all

LOCAL = "local"
"""Address that starts a cluster on this machine, for this call."""

_CURE = "start one with `ray start --head`, or use --ray local"
_KNOCK_SECONDS = 5.0
_WINDOW_BYTES = 1 << 28
_WINDOW_BATCHES = 256


def apply_on_ray(
    batches: Iterable[pyarrow.RecordBatch], operators: Sequence[Operator], *, address: str
) -> Iterator[pyarrow.RecordBatch]:
    """Yield each batch as the operators leave it, in the order that the batches came in.

    Batches go to the cluster in windows, so that the object store never holds the whole file.

    Args:
        batches: Rows.
        operators: Applied one after the other. Luthier must be installed on the cluster's machines.
        address: ``local``, ``auto``, ``host:6379`` or ``ray://host:10001``.

    Raises:
        MissingDependencyError: Ray is not installed.
        DataError: There is no cluster at the address.
    """
    ray = require("ray", extra="ray", purpose="running on a cluster")
    require("ray.data", extra="ray", purpose="running on a cluster")
    is_ours = _connect(ray, address)
    try:
        for window in _windows(batches):
            yield from _window_on_ray(ray, window, operators)
    finally:
        if is_ours:
            ray.shutdown()


def _connect(ray: Any, address: str) -> bool:
    """Connect to a cluster, and tell whether this call did."""
    if ray.is_initialized():
        return False
    _refuse_unreachable(address)
    try:
        ray.init(
            address=None if address == LOCAL else address,
            include_dashboard=False if address == LOCAL else None,
            logging_level="WARNING",
            log_to_driver=False,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise DataError(f"no Ray cluster answers: {error}", where=address, cure=_CURE) from error
    return True


def _refuse_unreachable(address: str) -> None:
    """Knock at a named host first: Ray itself tries for minutes before it gives up."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise DataError(f"no Ray cluster answers: {error}", where=address, cure=_CURE) from error


def _window_on_ray(
    ray: Any, window: list[pyarrow.RecordBatch], operators: Sequence[Operator]
) -> Iterator[pyarrow.RecordBatch]:
    """Yield the batches of one window; a block of the data set is one of them."""
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    rows = ray.data.from_arrow([pyarrow.Table.from_batches([batch]) for batch in window])
    done = rows.map_batches(
        _apply_to_table, fn_kwargs={"operators": list(operators)}, batch_format="pyarrow", batch_size=None
    )
    for table in done.iter_batches(batch_size=None, batch_format="pyarrow"):
        yield from table.combine_chunks().to_batches()


def _apply_to_table(table: pyarrow.Table, operators: list[Operator]) -> pyarrow.Table:
    batches = table.combine_chunks().to_batches()
    return pyarrow.Table.from_batches([apply_all(operators, batch) for batch in batches])


def _windows(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[list[pyarrow.RecordBatch]]:
    window: list[pyarrow.RecordBatch] = []
    num_bytes = 0
    for batch in batches:
        window.append(batch)
        num_bytes += batch.nbytes
        if num_bytes >= _WINDOW_BYTES or len(window) == _WINDOW_BATCHES:
            yield window
            window, num_bytes = [], 0
    if window:
        yield window
