"""A measurement that was cut short continues to the same number, bit for bit."""

import os
import signal
from dataclasses import dataclass, field, replace

import pytest
import torch
import torch.multiprocessing
from PIL import Image

from mir_task import MIRDataError, measure
from mir_task.measurement.plan import Plan
from mir_task.measurement.run import measure_with
from mir_task.measurement.settings import MeasurementSettings
from tests.measurement.watched import (
    AFTER_EVERY_PAIR,
    LITTLE_ROOM,
    EndingPairs,
    Killed,
    Opening,
    WatchedPairs,
    killed_at,
    not_apart,
    numbers,
)


@pytest.fixture(scope="module")
def six(pairs):
    return [pair._replace(text=pair.text[:200]) for pair in pairs]


@pytest.fixture(scope="module")
def whole(shared_llava, six):
    """What comes out when nothing goes wrong."""
    return measure(*shared_llava, six, progress=False)


@pytest.fixture
def saving(tmp_path):
    """Settings of a measurement that is saved after every pair."""
    return MeasurementSettings(resume=tmp_path / "part", saving=AFTER_EVERY_PAIR, progress=False)


FOUR_LAYERS = {"plan": Plan(layers=4, scatters=6)}


@dataclass(frozen=True)
class Interruption:
    """A measurement under some settings, killed once or several times, each time in the run that goes on."""

    settings: dict
    killed: tuple[Opening, ...]


INTERRUPTIONS = {
    "at the second pair": Interruption({}, (Opening(pair=1),)),
    "at the last pair": Interruption({}, (Opening(pair=5),)),
    "in the second pass": Interruption({"buffers": LITTLE_ROOM}, (Opening(pair=2, time=2),)),
    "in the pass for the standard error": Interruption(not_apart(layers=6), (Opening(pair=3, time=2),)),
    "in the second group of layers": Interruption(FOUR_LAYERS, (Opening(pair=2, time=2),)),
    "in the first pass, in the second, and in the second group of layers": Interruption(
        FOUR_LAYERS | {"buffers": LITTLE_ROOM},
        (Opening(pair=3), Opening(pair=4, time=2), Opening(pair=2, time=2)),
    ),
}


@pytest.mark.parametrize("when", INTERRUPTIONS)
def test_killed_and_resumed_changes_no_bit(llava, six, saving, when):
    settings = replace(saving, **INTERRUPTIONS[when].settings)
    for moment in INTERRUPTIONS[when].killed:
        with pytest.raises(Killed):
            measure_with(settings, *llava, killed_at(moment, six))
    resumed = measure_with(settings, *llava, six)
    assert numbers(resumed) == numbers(measure_with(replace(settings, resume=None), *llava, six))
    assert not settings.resume.exists()


SEEN = {
    "in the first pass": (Interruption({}, (Opening(pair=4),)), range(4), [4, 5]),
    "in the second pass": (
        Interruption({"buffers": LITTLE_ROOM}, (Opening(pair=3, time=2),)),
        range(6),
        [3, 4, 5],
    ),
    "in the second group of layers": (
        Interruption(FOUR_LAYERS, (Opening(pair=3, time=2),)),
        range(6),
        [3, 4, 5],
    ),
}


@pytest.mark.parametrize("when", SEEN)
def test_what_was_seen_is_compared_and_not_measured_again(llava, six, saving, when):
    interruption, seen, rest = SEEN[when]
    settings = replace(saving, **interruption.settings)
    with pytest.raises(Killed):
        measure_with(settings, *llava, killed_at(*interruption.killed, six))
    resumed = WatchedPairs(six)
    measure_with(settings, *llava, resumed)
    assert resumed.opened == [*seen, *rest]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_what_can_be_resumed(llava, six, whole, tmp_path, number):
    # Minutes before the next time to save: the pair that is being measured is finished and kept.
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    pairs = EndingPairs(six, Opening(pair=3), lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        measure(*llava, pairs, progress=False, resume=tmp_path / "part")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    rest = WatchedPairs(six)
    resumed = measure(*llava, rest, progress=False, resume=tmp_path / "part")
    assert rest.opened == [0, 1, 2, 3, 4, 5]
    assert numbers(resumed) == numbers(whole)


def test_a_second_ctrl_c_does_not_wait(llava, six, tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    pairs = EndingPairs(six, Opening(pair=3), twice)
    with pytest.raises(KeyboardInterrupt):
        measure(*llava, pairs, progress=False, resume=tmp_path / "part")
    assert pairs.opened == [0, 1, 2]
    assert not (tmp_path / "part").exists()


def test_the_same_pairs_share_forward_passes(llava, six, saving):
    settings = replace(saving, batch_size=2)
    with pytest.raises(Killed):  # the first pair, alone, and two more have been seen
        measure_with(settings, *llava, killed_at(Opening(pair=4), six))
    rest = WatchedPairs(six)
    resumed = measure_with(settings, *llava, rest)
    assert rest.opened == [0, 1, 2, 3, 4, 5]
    assert numbers(resumed) == numbers(measure(*llava, six, progress=False, batch_size=2))


def test_skipped_pairs_stay_skipped(llava, six, saving):
    damaged = [pair._replace(text=" ") if index == 2 else pair for index, pair in enumerate(six)]
    settings = replace(saving, on_error="skip")
    with pytest.raises(Killed):
        measure_with(settings, *llava, killed_at(Opening(pair=4), damaged))
    resumed = measure_with(settings, *llava, damaged)
    assert numbers(resumed) == numbers(measure(*llava, damaged, progress=False, on_error="skip"))
    assert [pair.number for pair in resumed.skipped] == [2]


@dataclass(frozen=True)
class Change:
    """What is another thing when a measurement is to go on, and what the error says of it."""

    message: str
    damage: object = lambda model, pairs: None
    settings: dict = field(default_factory=dict)


def swap(pairs, one, other):
    pairs[one], pairs[other] = pairs[other], pairs[one]


def put(pairs, number, **fields):
    pairs[number] = pairs[number]._replace(**fields)


CHANGES = {
    "other weights": Change("weights .was", lambda model, _: model.lm_head.weight.data.mul_(2)),
    "fewer pairs": Change("pairs .was 6, is 5", lambda _, pairs: pairs.pop()),
    "other pairs": Change("pair number 1 was .* other pairs", lambda _, pairs: pairs.reverse()),
    "another order from the third pair on": Change(
        "pair number 3 was .* and is .* other pairs", lambda _, pairs: swap(pairs, 2, 5)
    ),
    "a text edited in place": Change(
        "pair .* has another image or text than when it was measured",
        lambda _, pairs: put(pairs, 3, text=pairs[3].text + " And so on."),
    ),
    "a picture painted over": Change(
        "pair .* has another image or text than when it was measured",
        lambda _, pairs: put(pairs, 1, image=pairs[1].image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    ),
    "another batch size": Change("batch_size .was 1, is 2", settings={"batch_size": 2}),
    "another cut": Change("protocol .was .*'max_text_tokens': 1024", settings={"max_text_tokens": 5}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_measurement_is_not_continued(llava, six, saving, change):
    with pytest.raises(Killed):
        measure_with(saving, *llava, killed_at(Opening(pair=4), six))
    change = CHANGES[change]
    change.damage(llava[0], pairs := list(six))
    with pytest.raises(MIRDataError, match=f"resume: .*{change.message}"):
        measure_with(replace(saving, **change.settings), *llava, pairs)


def test_what_cannot_be_continued_is_named(llava, six, saving):
    with pytest.raises(Killed):
        measure_with(saving, *llava, killed_at(Opening(pair=4), six))
    (newest,) = saving.resume.rglob("layer-003.safetensors")
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(MIRDataError, match=r"resume: cannot read .*rank-0-of-1.*; remove it to start anew"):
        measure_with(saving, *llava, six)
    (saving.resume / "rank-0-of-1").rename(saving.resume / "rank-0-of-2")
    with pytest.raises(MIRDataError, match=r"begun by another number of processes \(rank-0-of-2\)"):
        measure_with(saving, *llava, six)


def test_an_unfinished_save_does_not_count(llava, six, whole, saving):
    with pytest.raises(Killed):
        measure_with(saving, *llava, killed_at(Opening(pair=4), six))
    unfinished = saving.resume / "rank-0-of-1" / "unfinished"
    unfinished.mkdir()
    (unfinished / "layer-001.safetensors").write_bytes(b"half of it")
    assert numbers(measure_with(saving, *llava, six)) == numbers(whole)


def test_a_full_disk_costs_what_was_saved_and_not_the_number(llava, six, whole, saving, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings = replace(saving, resume=tmp_path / "file" / "part")
    assert numbers(measure_with(settings, *llava, six)) == numbers(whole)


def test_kill_9_of_a_real_process(llava, six, saving, one_thread):
    pairs = EndingPairs(six, Opening(pair=4), lambda: os.kill(os.getpid(), signal.SIGKILL))
    # Forked: importing everything anew would take most of the time.
    process = torch.multiprocessing.get_context("fork").Process(
        target=measure_with, args=(saving, *llava, pairs)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    rest = WatchedPairs(six)
    resumed = measure_with(saving, *llava, rest)
    assert rest.opened == [0, 1, 2, 3, 4, 5]
    assert numbers(resumed) == numbers(measure(*llava, six, progress=False))


def test_however_much_memory_there_is_later_it_goes_on_as_it_was_begun(llava, six, saving):
    four, six_in_halves = Plan(layers=4, scatters=6), Plan(layers=6, scatters=2)
    with pytest.raises(Killed):
        measure_with(replace(saving, plan=four), *llava, killed_at(Opening(pair=4), six))
    rest = WatchedPairs(six)
    resumed = measure_with(replace(saving, plan=six_in_halves), *llava, rest)
    assert rest.opened == [*range(4), 4, 5, *range(6)]
    expected = measure_with(replace(saving, plan=four, resume=None), *llava, six)
    assert numbers(resumed) == numbers(expected)
