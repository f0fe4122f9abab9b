"""What can go wrong in the middle of a measurement. The other half of the fault table is in test_resume, test_ranks."""

import math
import re
import zlib

import pytest
import torch
from PIL import Image

from mir_task import MIRDataError, MIRModelError, Pair, measure
from mir_task.accumulate.statistics import FirstPass
from mir_task.data import open_image
from mir_task.lmms.settings import settings_from_environment
from mir_task.measurement.settings import MeasurementSettings
from tests.measurement.watched import WatchedPairs, numbers

GIB = 2**30


def out_of_memory():
    return torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


class Memory:
    """Room for the statistics of some layers and no more: with more in the running, a forward pass has no memory."""

    def __init__(self, monkeypatch, model, layers):
        self.layers, self.captured = layers, 0
        import mir_task.adapters.prefill

        original = mir_task.adapters.prefill.capture_layers

        def capture(*args, wanted, **kwargs):
            self.captured = len(wanted)
            return original(*args, wanted=wanted, **kwargs)

        monkeypatch.setattr("mir_task.adapters.prefill.capture_layers", capture)
        self.handle = model.model.language_model.layers[1].register_forward_pre_hook(self.check)

    def check(self, *_):
        if self.captured > self.layers:
            raise out_of_memory()


@pytest.fixture(scope="module")
def pairs(pairs):
    return [pair._replace(text=pair.text[:200]) for pair in pairs]


@pytest.fixture(scope="module")
def whole(shared_llava, pairs):
    """What comes out when nothing goes wrong."""
    return measure(*shared_llava, pairs, progress=False)


# Memory


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_out_of_memory_in_a_pair_halves_the_layers_at_a_time(llava, pairs, whole, monkeypatch, layers):
    memory = Memory(monkeypatch, llava[0], layers)
    watched = WatchedPairs(pairs)
    try:
        assert numbers(measure(*llava, watched, progress=False)) == numbers(whole)
    finally:
        memory.handle.remove()
    assert len(watched.opened) > 6 * math.ceil(6 / layers)


def no_room_for(model, too_many):
    """A hook that lets memory run out in forward passes of too many pairs, as a function of (pairs, pass) tells."""
    passes = []

    def check(_module, args, kwargs):
        passes.append(len(args[0] if args else kwargs["hidden_states"]))
        if too_many(passes[-1], len(passes)):
            raise out_of_memory()

    return model.model.language_model.layers[1].register_forward_pre_hook(check, with_kwargs=True), passes


@pytest.mark.parametrize(("room", "shown"), [(2, [1, 5, 3, 2, 1, 2]), (1, [1, 5, 3, 2, 1, 1, 1, 1, 1])])
def test_out_of_memory_with_several_pairs_halves_them(llava, pairs, whole, room, shown):
    handle, passes = no_room_for(llava[0], lambda together, _: together > room)
    try:
        result = measure(*llava, pairs, progress=False, batch_size=5)
    finally:
        handle.remove()
    assert result.mir == pytest.approx(whole.mir, rel=1e-6)
    assert (passes, result.batch_size) == (shown, room)


def test_a_pair_of_several_without_room_is_named_or_skipped(llava, pairs):
    def measured(**settings):
        # The first pass is of one pair, the second of three, the third of two; then of the first of these alone, with
        # six, three, two layers and one. There is room for everything after that.
        handle, _ = no_room_for(llava[0], lambda _, count: count in range(3, 8))
        try:
            return measure(*llava, pairs, progress=False, batch_size=3, **settings)
        finally:
            handle.remove()

    with pytest.raises(
        MIRModelError, match=f"^pair {re.escape(pairs[4].id)}: out of memory with an image of"
    ):
        measured()
    result = measured(on_error="skip")
    assert [pair.number for pair in result.skipped] == [4]
    expected = measure(*llava, [*pairs[:4], pairs[5]], progress=False)
    assert result.mir == pytest.approx(expected.mir, rel=1e-6)
    assert result.protocol.pair_ids == expected.protocol.pair_ids


def test_out_of_memory_with_nothing_to_halve_names_pair_and_size(llava, pairs, monkeypatch):
    memory = Memory(monkeypatch, llava[0], 0)
    try:
        with pytest.raises(
            MIRModelError,
            match=rf"^pair {re.escape(pairs[0].id)}: out of memory with an image of \d+ x \d+ pixels and a text of "
            rf"{len(pairs[0].text)} characters \(cut to 1024 tokens\); lower max_text_tokens, .*: CUDA out of memory",
        ):
            measure(*llava, pairs, progress=False)
    finally:
        memory.handle.remove()


@pytest.mark.parametrize(
    "error", [out_of_memory(), MemoryError(), RuntimeError("DefaultCPUAllocator: can't")]
)
def test_out_of_memory_in_the_statistics_leaves_layers_for_another_pass(
    llava, pairs, whole, monkeypatch, error
):
    update, calls = FirstPass.update, []

    def update_or_fail(self, *args):
        calls.append(self)
        if len(calls) == 12 * 2 + 9:  # third pair, fifth layer, vision
            raise error
        update(self, *args)

    monkeypatch.setattr(FirstPass, "update", update_or_fail)
    assert numbers(measure(*llava, pairs, progress=False)) == numbers(whole)


def test_out_of_memory_for_the_distances_says_what_to_do(llava, pairs, monkeypatch):
    def fail(*_):
        raise out_of_memory()

    monkeypatch.setattr("mir_task.measurement.exchange.measure_layer", fail)
    with pytest.raises(MIRModelError, match="out of memory for the distances, .* set max_memory lower"):
        measure(*llava, pairs, progress=False)


# Pairs


def damaged(pairs):
    return [pair._replace(text=" ") if index in (1, 4) else pair for index, pair in enumerate(pairs)]


def test_a_damaged_pair_is_skipped_only_if_asked_for_and_counted(llava, pairs):
    with pytest.raises(MIRDataError, match=f"pair {re.escape(pairs[1].id)}: the text is empty"):
        measure(*llava, damaged(pairs), progress=False)
    result = measure(*llava, damaged(pairs), progress=False, on_error="skip")
    rest = [pair for index, pair in enumerate(pairs) if index not in (1, 4)]
    expected = measure(*llava, rest, progress=False)
    assert result.mir == pytest.approx(expected.mir, rel=1e-12)
    together = measure(*llava, damaged(pairs), progress=False, on_error="skip", batch_size=3)
    assert together.mir == pytest.approx(result.mir, rel=1e-6)
    assert together.skipped == result.skipped
    assert result.pairs == 4
    assert result.protocol.pair_ids == expected.protocol.pair_ids
    assert [(pair.number, pair.reason) for pair in result.skipped] == [
        (number, f"pair {pairs[number].id}: the text is empty") for number in (1, 4)
    ]
    # Of six groups of one pair each, four are left: too few for a standard error.
    assert result.standard_error is None


def test_the_standard_error_leaves_out_groups_that_are_left(llava, ten_pairs):
    result = measure(*llava, damaged(ten_pairs), progress=False, on_error="skip")
    rest = [pair for index, pair in enumerate(ten_pairs) if index not in (1, 4)]
    expected = measure(*llava, rest, progress=False)
    assert result.standard_error == pytest.approx(expected.standard_error, rel=1e-9)


def test_too_few_pairs_left(llava, pairs):
    nothing = [pair._replace(text=" ") for pair in pairs]
    with pytest.raises(
        MIRDataError, match=r"at least 2 pairs, and 6 were skipped; the first: pair .* is empty"
    ):
        measure(*llava, nothing, progress=False, on_error="skip")


def test_a_model_that_fails_is_not_skipped(llava, pairs):
    model, processor = llava
    model.model.language_model.layers[2].mlp.down_proj.weight.data[5, 5] = float("nan")
    with pytest.raises(MIRModelError, match="NaN or Inf"):
        measure(model, processor, pairs, progress=False, on_error="skip")


SIZES = {"12GiB": 12 * GIB, "1.5 gib": 3 * GIB // 2, "500MB": 5 * 10**8, "1000": 1000, "": None}


@pytest.mark.parametrize("size", SIZES)
def test_a_size_may_have_a_unit(size):
    settings = settings_from_environment(1024, 1, {"MIR_MAX_MEMORY": size})
    assert settings == MeasurementSettings(max_memory=SIZES[size])


def test_the_number_alone_can_be_asked_for():
    assert settings_from_environment(1024, 1, {"MIR_UNCERTAINTY": "0"}).uncertainty is False
    assert settings_from_environment(1024, 1, {}).uncertainty is True


@pytest.mark.parametrize(
    ("name", "value"), [("MIR_MAX_MEMORY", "plenty"), ("MIR_ON_ERROR", "ignore"), ("MIR_UNCERTAINTY", "no")]
)
def test_a_setting_that_makes_no_sense_is_named(name, value):
    with pytest.raises(MIRDataError, match=f"{name} must be .* got '{value}'"):
        settings_from_environment(1024, 1, {name: value})


# Trust


def bomb(path, side=20_000):
    """A PNG of a few kilobytes that says it has 400 million pixels."""

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return len(data).to_bytes(4, "big") + kind + data + crc.to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
    return path


def test_decompression_bombs_are_not_unpacked(tmp_path, llava, pairs, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # as some tasks of lmms-eval leave it
    path = bomb(tmp_path / "bomb.png")
    with pytest.raises(MIRDataError, match=r"bomb.png: it has 20000 x 20000 pixels, more than 100,000,000"):
        open_image(path)
    with Image.open(path) as image, pytest.raises(MIRDataError, match=r"pair x: it has 20000 x 20000 pixels"):
        measure(*llava, [Pair(image, "text", "x"), *pairs], progress=False)


def test_a_long_text_is_not_tokenised_whole(llava, pairs):
    _, processor = llava
    seen = []

    class Counting:
        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, text, *args, **kwargs):
            seen.append(len(text) if isinstance(text, str) else max(map(len, text)))
            return self.tokenizer(text, *args, **kwargs)

        def __getattr__(self, name):
            return getattr(self.tokenizer, name)

    from mir_task.adapters.base import truncate

    text = "".join(pair.text for pair in pairs) * 9
    whole = truncate(text, processor.tokenizer, 300)
    assert truncate(text * 50, Counting(processor.tokenizer), 300) == whole
    assert max(seen) < 2 * len(text)
    assert truncate(text, Counting(processor.tokenizer), 10**6) == text
