"""What is put on a tray is what is taken from it, whether or not all of it has room there."""

import multiprocessing
from multiprocessing.connection import Connection
from pickle import PickleBuffer

import numpy as np
import pytest

from batch_jobs.prepare.trays import Parcel, Tray


@pytest.mark.parametrize("size", [1, 100, 1_000, 100_000])
def test_value_is_the_same_however_little_room_there_is(size: int) -> None:
    tray = Tray(size)
    value = {"few": np.arange(3, dtype=np.uint16), "many": np.arange(1_000.0).reshape(10, 100), "text": "é"}
    value |= {"none": np.empty((0, 128), np.uint16), "every other": np.arange(40)[::2]}
    found = tray.take(tray.put(value))
    assert found.keys() == value.keys() and found["text"] == "é"
    for name in value.keys() - {"text"}:
        assert found[name].dtype == value[name].dtype and found[name].shape == value[name].shape
        assert (found[name] == value[name]).all() and found[name].flags.writeable


def test_bytes_go_through_the_tray_and_not_through_the_pipe() -> None:
    parcel = Tray().put([np.zeros(1_000_000), np.ones(1_000_000)])
    assert len(parcel.pickled) < 1_000 and [place.stop - place.start for place, _ in parcel.places] == [8_000_000] * 2


def test_bytes_are_bytes_again_and_what_nobody_may_write_to_stays_so() -> None:
    tray, fixed = Tray(), np.arange(9)
    fixed.flags.writeable = False
    content, array = tray.take(tray.put([PickleBuffer(b"abc" * 1_000), fixed]))
    assert type(content) is bytes and content == b"abc" * 1_000
    assert not array.flags.writeable and (array == fixed).all()


def test_what_was_taken_stays_when_the_tray_is_used_again() -> None:
    tray = Tray()
    first = tray.take(tray.put(np.arange(1_000)))
    second = tray.take(tray.put(np.zeros(1_000, np.int64)))
    assert (first == np.arange(1_000)).all() and not second.any()


def test_another_process_sees_what_is_put_there() -> None:
    tray, forking = Tray(), multiprocessing.get_context("fork")
    ours, theirs = forking.Pipe()
    process = forking.Process(target=_fill, args=(tray, theirs))
    process.start()
    parcel: Parcel = ours.recv()
    process.join()
    assert parcel.places and (tray.take(parcel) == np.arange(5_000)).all()


def _fill(tray: Tray, channel: Connection) -> None:
    channel.send(tray.put(np.arange(5_000)))
