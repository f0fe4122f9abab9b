"""Several processes give what one gives, and stop together."""

import json

import pytest
import torch
import torch.multiprocessing

from mir_task.errors import MIRDataError, OtherProcessError, naming
from mir_task.measurement.ranks import Ranks
from tests.measurement import processes

SIZE = 3
GIVES_A_NUMBER = [name for name in processes.SCENARIOS if name != "damaged pair"]


@pytest.fixture(scope="module")
def seen(shared_llava, tmp_path_factory):
    """By process, what its scenarios came to."""
    folder = tmp_path_factory.mktemp("ranks")
    # Forked, as torch's own data loaders are: importing everything three times would take most of the time.
    context = torch.multiprocessing.get_context("fork")
    started = [
        context.Process(target=processes.main, args=(rank, SIZE, *shared_llava, folder))
        for rank in range(SIZE)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [json.loads((folder / f"seen_{rank}.json").read_text()) for rank in range(SIZE)]


@pytest.mark.parametrize("scenario", GIVES_A_NUMBER)
def test_as_one_process(seen, scenario):
    dealt, alone = seen[0][scenario]["dealt"], seen[0][scenario]["alone"]
    assert all(each[scenario]["dealt"] == dealt for each in seen), "processes differ"
    # Which pairs share a forward pass, and so its round-off, depends on how they are dealt.
    exact = 1e-6 if scenario == "batches" else 1e-9
    for name in ("mir", "mir_reference"):
        assert dealt[name] == pytest.approx(alone[name], rel=exact)
    # Errors are differences of distances, those of groups not kept apart also of float32 products.
    rel = 1e-4 if scenario in ("groups not apart", "batches") else 1e-6
    for ours, theirs in zip([dealt, *dealt["layers"]], [alone, *alone["layers"]], strict=True):
        for name, value in theirs.items():
            if isinstance(value, float):
                assert ours[name] == pytest.approx(value, rel=rel, abs=1e-9), name
            elif value is None or isinstance(value, int):
                assert ours[name] == value, name
    # Groups are of the same pairs, however these are dealt to processes.
    assert (dealt["mir_left_out"] or []) == pytest.approx(alone["mir_left_out"] or [], rel=rel)
    for name in ("pairs", "groups", "batch_size", "skipped", "protocol", "model"):
        assert dealt[name] == alone[name]


def test_second_passes_and_errors_were_what_they_were_meant_to_be(seen):
    assert max(layer["passes"] for layer in seen[0]["second pass"]["dealt"]["layers"]) == 2
    assert seen[0]["groups not apart"]["dealt"]["standard_error"] > 0
    assert seen[0]["one process without pairs"]["opened"] == []
    assert seen[0]["damaged pair skipped"]["dealt"]["pairs"] == 10


@pytest.mark.parametrize("scenario", processes.SCENARIOS)
def test_each_process_opens_its_own_pairs_only(seen, scenario):
    opened = [number for each in seen for number in each[scenario]["opened"]]
    if scenario != "damaged pair":
        assert opened == list(range(processes.SCENARIOS[scenario].pairs))


def test_an_error_in_one_process_ends_all_with_its_message(seen):
    for each in seen:
        assert each["damaged pair"]["dealt"] == seen[0]["damaged pair"]["alone"]
        assert each["damaged pair"]["dealt"].startswith("MIRDataError: pair ")


def test_a_lost_process_is_an_error_and_never_a_number(seen):
    for each in seen[:-1]:
        assert each["lost"].startswith("MIRError: another process of this run has ended")


def test_perplexity_is_that_of_all_captions(seen):
    for each in seen:
        assert each["captions"]["dealt"] == seen[0]["captions"]["alone"]


def test_things_are_dealt_to_neighbours():
    for size in range(1, 6):
        for count in range(12):
            shares = [Ranks(rank, size).share(count) for rank in range(size)]
            assert [number for share in shares for number in share] == list(range(count))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1
            assert Ranks(0, size).largest_share(count) == max(map(len, shares))


class Two(Ranks):
    """The first of two processes; the other one says what it is told to."""

    def __init__(self, other=None):
        super().__init__(0, 2)
        self.other, self.said = other, []

    def gather(self, value):
        self.said.append(value)
        return [value, self.other]


def test_an_error_is_told_once_however_blocks_are_nested_and_errors_renamed():
    ranks = Two()
    with (
        pytest.raises(MIRDataError, match="pair 1: broken"),
        ranks.together(),
        naming("pair 1"),
        ranks.together(),
    ):
        raise MIRDataError("broken")
    assert ranks.said == [(MIRDataError, "broken")]


def test_an_error_is_told_also_while_that_of_an_earlier_measurement_is_handled():
    ranks = Two()

    def fail(message):
        with ranks.together():
            raise MIRDataError(message)

    try:
        fail("first")
    except MIRDataError:
        with pytest.raises(MIRDataError, match="second"):
            fail("second")
    assert [message for _, message in ranks.said] == ["first", "second"]


def test_what_fails_in_another_process_is_not_blamed_on_a_pair_here():
    ranks = Two(other=(OtherProcessError, "OSError('the disk')"))
    with pytest.raises(OtherProcessError, match="^OSError"), naming("pair 1"), ranks.together():
        pass


def test_no_process_runs_a_sharded_model_when_another_one_failed_instead():
    model, ran = torch.nn.Linear(1, 1), []
    model.register_forward_pre_hook(lambda *_: ran.append("weights gathered"))
    ranks = Two()
    with ranks.in_step(model):
        model(torch.zeros(1))
        ranks.other = (MIRDataError, "pair 5: no picture")
        with pytest.raises(MIRDataError, match="pair 5: no picture"):
            model(torch.zeros(1))
    assert ran == ["weights gathered"] and len(ranks.said) == 2
    model(torch.zeros(1))
    assert len(ranks.said) == 2


def test_alone_there_is_nobody_to_tell():
    ranks = Ranks()
    assert ranks.gather(5) == [5] and ranks.owner(7) == 0
    with pytest.raises(ZeroDivisionError), ranks.together():
        _ = 1 / 0
