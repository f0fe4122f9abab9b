"""A measurement that was cut short continues to the same number, bit for bit."""

import os
import signal

import pytest
import torch
import torch.multiprocessing

from mir_task import MIRDataError, measure
from mir_task.measurement.plan import Plan
from tests.measurement.distributed import LITTLE_ROOM, NOT_APART, Pairs, layers_at_a_time


class Killed(BaseException):
    """Ends the process as far as the package can tell: nothing can be saved any more."""


class Until(Pairs):
    """Pairs of which the n-th to be opened ends the process."""

    def __init__(self, pairs, n, end):
        super().__init__(pairs)
        self.n, self.end = n, end

    def __getitem__(self, number):
        if len(self.opened) == self.n:
            self.opened.append(number)
            self.end()
        return super().__getitem__(number)


def kill():
    raise Killed


@pytest.fixture(scope="module")
def six(pairs):
    return [pair._replace(text=pair.text[:200]) for pair in pairs]


@pytest.fixture
def always_due(monkeypatch):
    """Save after every pair."""
    monkeypatch.setattr("mir_task.measurement.resume.SAVE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("mir_task.measurement.resume.SHARE_OF_TIME", float("inf"))


@pytest.fixture(scope="module")
def whole(shared_llava, six):
    """What comes out when nothing goes wrong."""
    return measure(*shared_llava, six, progress=False)


def numbers(result):
    return result.model_dump(exclude={"timings"})


@pytest.mark.parametrize(
    ("patches", "killed_at"),
    [
        ({}, [1, 5]),
        (LITTLE_ROOM, [8]),  # in the second pass
        (NOT_APART, [9]),  # in the pass for the standard error
        (layers_at_a_time(4, 6), [8]),  # among the second layers
        (
            layers_at_a_time(4, 6) | LITTLE_ROOM,
            [3, 8, 5],
        ),  # three times, the first pass counted anew each time
    ],
)
def test_killed_and_resumed_changes_no_bit(llava, six, tmp_path, always_due, monkeypatch, patches, killed_at):
    for name, value in patches.items():
        monkeypatch.setattr(name, value)
    whole = measure(*llava, six, progress=False)
    several = len(killed_at) == 3
    for n in killed_at:
        folder = tmp_path / ("once" if several else str(n))
        with pytest.raises(Killed):
            measure(*llava, Until(six, n, kill), progress=False, resume=folder)
        if not several:
            assert numbers(measure(*llava, six, progress=False, resume=folder)) == numbers(whole)
            assert not folder.exists()
    if several:
        assert numbers(measure(*llava, six, progress=False, resume=folder)) == numbers(whole)


@pytest.mark.parametrize(
    ("patches", "killed_at", "rest"),
    [({}, 4, [4, 5]), (LITTLE_ROOM, 9, [3, 4, 5]), (layers_at_a_time(4, 6), 9, [3, 4, 5])],
    ids=["first pass", "second pass", "second group of layers"],
)
def test_what_was_seen_is_not_seen_again(
    llava, six, tmp_path, always_due, monkeypatch, patches, killed_at, rest
):
    for name, value in patches.items():
        monkeypatch.setattr(name, value)
    with pytest.raises(Killed):
        measure(*llava, Until(six, killed_at, kill), progress=False, resume=tmp_path / "part")
    resumed = Pairs(six)
    measure(*llava, resumed, progress=False, resume=tmp_path / "part")
    assert resumed.opened == [0, *rest]  # the first to see that it is the same one


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_what_can_be_resumed(llava, six, whole, tmp_path, number):
    # Minutes before the next time to save: the pair that is being measured is finished and kept.
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    class Interrupted(Until):
        def __getitem__(self, index):
            if len(self.opened) == self.n:
                os.kill(os.getpid(), number)
            return Pairs.__getitem__(self, index)

    with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit):
        measure(*llava, Interrupted(six, 3, None), progress=False, resume=tmp_path / "part")
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    rest = Pairs(six)
    resumed = measure(*llava, rest, progress=False, resume=tmp_path / "part")
    assert rest.opened == [0, 4, 5]
    assert numbers(resumed) == numbers(whole)


def test_a_second_ctrl_c_does_not_wait(llava, six, tmp_path):
    def twice():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    pairs = Until(six, 3, twice)
    with pytest.raises(KeyboardInterrupt):
        measure(*llava, pairs, progress=False, resume=tmp_path / "part")
    assert len(pairs.opened) == 4
    assert not (tmp_path / "part").exists()


def test_the_same_pairs_share_forward_passes(llava, six, tmp_path, always_due):
    whole = measure(*llava, six, progress=False, batch_size=2)
    with pytest.raises(Killed):  # the first pair, alone, and two more have been seen
        measure(*llava, Until(six, 4, kill), progress=False, batch_size=2, resume=tmp_path / "part")
    rest = Pairs(six)
    resumed = measure(*llava, rest, progress=False, batch_size=2, resume=tmp_path / "part")
    assert rest.opened == [0, 3, 4, 5]
    assert numbers(resumed) == numbers(whole)


def test_skipped_pairs_stay_skipped(llava, six, tmp_path, always_due):
    damaged = [pair._replace(text=" ") if index == 2 else pair for index, pair in enumerate(six)]
    settings = {"progress": False, "on_error": "skip"}
    with pytest.raises(Killed):
        measure(*llava, Until(damaged, 4, kill), resume=tmp_path / "part", **settings)
    resumed = measure(*llava, damaged, resume=tmp_path / "part", **settings)
    assert numbers(resumed) == numbers(measure(*llava, damaged, **settings))
    assert [pair.number for pair in resumed.skipped] == [2]


CHANGES = {
    "other weights": (lambda model, pairs: model.lm_head.weight.data.mul_(2), {}, "weights .was"),
    "fewer pairs": (lambda model, pairs: pairs.pop(), {}, "pairs .was 6, is 5"),
    "other pairs": (lambda model, pairs: pairs.reverse(), {}, "pair number 1 was .* other pairs"),
    "another batch size": (lambda model, pairs: None, {"batch_size": 2}, "batch_size .was 1, is 2"),
    "another cut": (
        lambda model, pairs: None,
        {"max_text_tokens": 5},
        "protocol .was .*'max_text_tokens': 1024",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_another_measurement_is_not_continued(llava, six, tmp_path, always_due, change):
    with pytest.raises(Killed):
        measure(*llava, Until(six, 4, kill), progress=False, resume=tmp_path)
    damage, settings, message = CHANGES[change]
    damage(llava[0], pairs := list(six))
    with pytest.raises(MIRDataError, match=f"resume: .*{message}"):
        measure(*llava, pairs, progress=False, resume=tmp_path, **settings)


def test_what_cannot_be_continued_is_named(llava, six, tmp_path, always_due):
    with pytest.raises(Killed):
        measure(*llava, Until(six, 4, kill), progress=False, resume=tmp_path)
    (newest,) = tmp_path.rglob("layer-003.safetensors")
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(MIRDataError, match=r"resume: cannot read .*rank-0-of-1.*; remove it to start anew"):
        measure(*llava, six, progress=False, resume=tmp_path)
    (tmp_path / "rank-0-of-1").rename(tmp_path / "rank-0-of-2")
    with pytest.raises(MIRDataError, match=r"begun by another number of processes \(rank-0-of-2\)"):
        measure(*llava, six, progress=False, resume=tmp_path)


def test_an_unfinished_save_does_not_count(llava, six, whole, tmp_path, always_due):
    with pytest.raises(Killed):
        measure(*llava, Until(six, 4, kill), progress=False, resume=tmp_path)
    (tmp_path / "rank-0-of-1" / "unfinished").mkdir()
    (tmp_path / "rank-0-of-1" / "unfinished" / "layer-001.safetensors").write_bytes(b"half of it")
    assert numbers(measure(*llava, six, progress=False, resume=tmp_path)) == numbers(whole)


def test_a_full_disk_costs_what_was_saved_and_not_the_number(llava, six, whole, tmp_path, always_due):
    (tmp_path / "file").write_text("in the way")
    assert numbers(measure(*llava, six, progress=False, resume=tmp_path / "file" / "part")) == numbers(whole)


def test_kill_9_of_a_real_process(llava, six, tmp_path, always_due, one_thread):
    part = tmp_path / "part"
    pairs = Until(six, 4, lambda: os.kill(os.getpid(), signal.SIGKILL))
    # Forked: importing everything anew would take most of the time.
    process = torch.multiprocessing.get_context("fork").Process(
        target=measure, args=(*llava, pairs), kwargs={"progress": False, "resume": part}
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    rest = Pairs(six)
    resumed = measure(*llava, rest, progress=False, resume=part)
    assert rest.opened == [0, 4, 5]
    assert numbers(resumed) == numbers(measure(*llava, six, progress=False))


def test_one_plan_for_all(llava, six, tmp_path, always_due, monkeypatch):
    """However much memory there is when it goes on, it goes on as it was begun."""
    monkeypatch.setattr("mir_task.measurement.plan.plan", lambda *_: Plan(4, 6, 2, 0, 0))
    whole = measure(*llava, six, progress=False)
    with pytest.raises(Killed):
        measure(*llava, Until(six, 4, kill), progress=False, resume=tmp_path)
    monkeypatch.setattr("mir_task.measurement.plan.plan", lambda *_: Plan(6, 2, 2, 0, 0))
    assert numbers(measure(*llava, six, progress=False, resume=tmp_path)) == numbers(whole)
