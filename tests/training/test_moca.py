from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from mir_task import MIRModelError, MoCa, measure
from mir_task.adapters import adapter_for
from tests.measurement.test_run import hooks


@pytest.fixture
def moca(llava):
    model, _ = llava
    attached = MoCa.attach(model)
    yield attached
    if hasattr(model, "moca"):
        attached.detach()


def states(model, inputs):
    """What enters each layer, and what the final norm returns.

    transformers 4.57's own ``hidden_states`` are taken before hooks on a layer change its output.
    """
    rows, decoder = [], model.model.language_model
    handles = [
        layer.register_forward_pre_hook(
            lambda _, args, kwargs: rows.append(args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True,
        )
        for layer in decoder.layers
    ]
    handles.append(decoder.norm.register_forward_hook(lambda _, args, output: rows.append(output)))
    try:
        with torch.no_grad():
            model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return rows


def batch(llava, pairs, side="left"):
    """Two pairs of different lengths, padded."""
    _, processor = llava
    processor.tokenizer.padding_side = side
    adapter = adapter_for(*llava)
    prompts = [adapter.prompt(pairs[0].text[:80]), adapter.prompt(pairs[1].text[:300])]
    images = [pair.image for pair in pairs[:2]]
    inputs = processor(text=prompts, images=images, return_tensors="pt", padding=True)
    return {name: value for name, value in inputs.items() if name != "token_type_ids"}


def test_identity_at_start(llava, pairs):
    model, _ = llava
    inputs = batch(llava, pairs)
    plain, mir = states(model, inputs), measure(*llava, pairs, progress=False).mir
    before = hooks(model)
    attached = MoCa.attach(model)
    assert all(torch.equal(one, other) for one, other in zip(states(model, inputs), plain, strict=True))
    assert measure(*llava, pairs, progress=False).mir == mir
    attached.detach()
    assert hooks(model) == before
    assert "moca.u" not in model.state_dict()


@pytest.mark.parametrize("side", ["left", "right"])
def test_changes_vision_rows_alone_and_by_the_equation(llava, pairs, moca, side):
    model, _ = llava
    inputs = batch(llava, pairs, side)
    vision = inputs["input_ids"].eq(model.config.image_token_id)
    assert vision.sum(1).tolist() == [64, 64]
    plain = states(model, inputs)
    with torch.no_grad():
        moca.u[0].uniform_(0.5, 2)
        moca.v[0].uniform_(-1, 1)
    changed = states(model, inputs)
    # 1 is the first layer's output, before which nothing was changed.
    assert torch.equal(changed[0], plain[0])
    assert torch.equal(changed[1][~vision], plain[1][~vision])
    expected = moca.u[0].detach() * plain[1][vision] + moca.v[0].detach()
    assert torch.equal(changed[1][vision], expected)
    assert not torch.equal(changed[2][~vision], plain[2][~vision])  # attention carries it on


def test_last_layer_is_calibrated_before_the_final_norm(llava, pairs, moca):
    model, _ = llava
    inputs = batch(llava, pairs)
    vision = inputs["input_ids"].eq(model.config.image_token_id)
    seen = []
    handle = model.model.language_model.layers[-1].register_forward_hook(lambda m, a, out: seen.append(out))
    plain = states(model, inputs)
    with torch.no_grad():
        moca.v[-1].add_(0.5)
    changed = states(model, inputs)
    handle.remove()
    norm = model.model.language_model.norm
    raw = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    assert torch.allclose(changed[-1][vision], norm(raw[vision] + 0.5), atol=1e-5)
    assert torch.equal(changed[-1][~vision], plain[-1][~vision])


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradient_reaches_u_and_v_alone_and_training_lowers_the_loss(llava, pairs, checkpointing):
    model, _ = llava
    model.requires_grad_(False)
    attached = MoCa.attach(model)
    try:
        inputs = batch(llava, pairs, "right")
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"].eq(0), -100)
        labels = labels.masked_fill(labels.eq(model.config.image_token_id), -100)
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=1.0)
        losses = []
        for _ in range(4):
            loss = model(**inputs, labels=labels).loss
            loss.backward()
            if not losses:
                assert {n for n, p in model.named_parameters() if p.grad is not None} == {"moca.u", "moca.v"}
                assert attached.u.grad.abs().sum() > 0
                # The last layer's vision rows reach the loss only through the text token that follows the image.
                assert attached.v.grad[:-1].abs().sum(1).min() > 0
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        assert losses == sorted(losses, reverse=True)
    finally:
        model.gradient_checkpointing_disable()
        attached.detach()
        model.requires_grad_(True)


def test_checkpointed_gradients_are_the_plain_ones(llava, pairs, moca):
    model, _ = llava
    inputs = batch(llava, pairs)
    with torch.no_grad():
        moca.u.uniform_(0.9, 1.1)
    gradients = []
    for checkpointing in (False, True):
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        model.train().zero_grad()
        model(**inputs).logits.square().mean().backward()
        gradients.append(moca.u.grad.clone())
    model.gradient_checkpointing_disable()
    model.zero_grad()
    assert torch.allclose(*gradients, rtol=1e-4)


def test_mir_with_it_on(llava, pairs, moca):
    plain = measure(*llava, pairs, progress=False)
    with torch.no_grad():
        moca.v[2].add_(1.0)
    calibrated = measure(*llava, pairs, progress=False)
    assert [layer.fid for layer in calibrated.layers[:2]] == [layer.fid for layer in plain.layers[:2]]
    assert calibrated.layers[2].fid != pytest.approx(plain.layers[2].fid, rel=1e-3)
    assert calibrated.layers[2].text_norm == plain.layers[2].text_norm


def test_generates(llava, pairs, moca):
    inputs = batch(llava, pairs)
    generated = llava[0].generate(**inputs, max_new_tokens=5, do_sample=False)
    assert generated.shape[1] == inputs["input_ids"].shape[1] + 5


def test_keeps_the_dtype(llava, pairs, moca):
    model, _ = llava
    model.bfloat16()
    try:
        inputs = {
            name: value.bfloat16() if value.is_floating_point() else value
            for name, value in batch(llava, pairs).items()
        }
        assert {state.dtype for state in states(model, inputs)} == {torch.bfloat16}
    finally:
        model.float()


def test_state_survives_a_round_trip(llava, moca, tmp_path):
    with torch.no_grad():
        moca.u.normal_()
        moca.v.normal_()
    path = moca.save(tmp_path / "folder" / "moca.safetensors")
    other = MoCa(*moca.u.shape).load(path)
    assert torch.equal(other.u, moca.u)
    assert torch.equal(other.v, moca.v)
    assert path.stat().st_size < 2 * moca.u.numel() * 4 + 500


def test_bad_states_are_refused(tmp_path):
    save_file({"u": torch.ones(3, 8), "v": torch.ones(3, 8)}, tmp_path / "a")
    with pytest.raises(MIRModelError, match=r"a: u has shape \[3, 8\], this model needs \[6, 128\]"):
        MoCa(6, 128).load(tmp_path / "a")
    save_file({"u": torch.ones(6, 128)}, tmp_path / "b")
    with pytest.raises(MIRModelError, match="b is no MoCa: it has the keys u, expected u, v"):
        MoCa(6, 128).load(tmp_path / "b")
    with pytest.raises(MIRModelError, match="cannot read a MoCa from .*nowhere"):
        MoCa(6, 128).load(tmp_path / "nowhere")


def test_attached_twice_or_without_ids_is_refused(llava, pairs, moca):
    model, _ = llava
    with pytest.raises(MIRModelError, match="has a MoCa already"):
        MoCa.attach(model)
    with pytest.raises(
        MIRModelError, match=r"which of the positions \[1, 5\] are vision .* call the model with input_ids"
    ):
        model(inputs_embeds=torch.zeros(1, 5, 128))
    inputs = batch(llava, pairs)  # and after that error it still works
    assert len(states(model, inputs)) == 7


def test_own_vision_mask(llava, pairs):
    model, _ = llava
    attached = MoCa.attach(model, lambda inputs: inputs["input_ids"].eq(-1))
    try:
        inputs = batch(llava, pairs)
        plain = states(model, inputs)
        with torch.no_grad():
            attached.v.add_(1)
        assert all(torch.equal(one, other) for one, other in zip(states(model, inputs), plain, strict=True))
    finally:
        attached.detach()


def test_without_a_placeholder_in_the_config_a_mask_is_asked_for(llava, monkeypatch):
    model, _ = llava
    bare = SimpleNamespace(get_text_config=model.config.get_text_config)
    monkeypatch.setattr(model, "config", bare)
    with pytest.raises(MIRModelError, match="names no image placeholder token; attach with a vision_mask"):
        MoCa.attach(model)
