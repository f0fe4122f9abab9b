"""MoCa on a tiny LLaVA, against the paper's equation."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from mir_task import MIRModelError, MoCa, measure
from mir_task.adapters import adapter_for
from tests.hooks import hooks


@pytest.fixture
def moca(llava):
    """A MoCa that is attached to the model, and taken off after the test."""
    model, _ = llava
    attached = MoCa.attach(model)
    yield attached
    if hasattr(model, "moca"):
        attached.detach()


def states(model, inputs):
    """Input of each layer, and output of the final norm.

    transformers 4.57 takes its own ``hidden_states`` before hooks on a layer change its output.
    """
    rows, decoder = [], model.model.language_model
    handles = [
        layer.register_forward_pre_hook(
            lambda _module, args, kwargs: rows.append(args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True,
        )
        for layer in decoder.layers
    ]
    handles.append(decoder.norm.register_forward_hook(lambda _module, _args, output: rows.append(output)))
    try:
        with torch.no_grad():
            model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
    return rows


def batch(llava, pairs, side="left"):
    """Inputs of two pairs of different lengths, padded on one side."""
    _, processor = llava
    processor.tokenizer.padding_side = side
    adapter = adapter_for(*llava)
    prompts = [adapter.prompt(pairs[0].text[:80]), adapter.prompt(pairs[1].text[:300])]
    images = [pair.image for pair in pairs[:2]]
    inputs = processor(text=prompts, images=images, return_tensors="pt", padding=True)
    return {name: value for name, value in inputs.items() if name != "token_type_ids"}


def assert_same(states, others):
    for one, other in zip(states, others, strict=True):
        assert torch.equal(one, other)


def test_starts_as_the_identity(llava, pairs):
    model, _ = llava
    inputs = batch(llava, pairs)
    plain, mir = states(model, inputs), measure(*llava, pairs, progress=False).mir
    attached = MoCa.attach(model)
    try:
        assert_same(states(model, inputs), plain)
        assert measure(*llava, pairs, progress=False).mir == mir
    finally:
        attached.detach()


def test_detached_it_leaves_nothing_behind(llava):
    model, _ = llava
    before, names = hooks(model), set(model.state_dict())
    attached = MoCa.attach(model)
    assert set(model.state_dict()) == names | {"moca.u", "moca.v"}
    attached.detach()
    assert hooks(model) == before
    assert set(model.state_dict()) == names


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
    assert torch.equal(changed[0], plain[0])  # the embeddings; 1 is the first layer's output
    assert torch.equal(changed[1][~vision], plain[1][~vision])
    expected = moca.u[0].detach() * plain[1][vision] + moca.v[0].detach()
    assert torch.equal(changed[1][vision], expected)
    assert not torch.equal(changed[2][~vision], plain[2][~vision])  # attention carries the change on


def test_last_layer_is_calibrated_before_the_final_norm(llava, pairs, moca):
    model, _ = llava
    inputs = batch(llava, pairs)
    vision = inputs["input_ids"].eq(model.config.image_token_id)
    decoder = model.model.language_model
    outputs = []
    handle = decoder.layers[-1].register_forward_hook(lambda _module, _args, output: outputs.append(output))
    plain = states(model, inputs)
    with torch.no_grad():
        moca.v[-1].add_(0.5)
    changed = states(model, inputs)
    handle.remove()
    before_norm = outputs[0][0] if isinstance(outputs[0], tuple) else outputs[0]
    assert torch.allclose(changed[-1][vision], decoder.norm(before_norm[vision] + 0.5), atol=1e-5)
    assert torch.equal(changed[-1][~vision], plain[-1][~vision])


@pytest.fixture
def training(llava, pairs):
    """The model in training mode with MoCa alone to be trained, and a batch with labels; called once a step."""
    model, _ = llava
    model.requires_grad_(False)
    attached = MoCa.attach(model)
    inputs = batch(llava, pairs, "right")
    labels = inputs["input_ids"].masked_fill(inputs["attention_mask"].eq(0), -100)
    labels = labels.masked_fill(labels.eq(model.config.image_token_id), -100)
    model.train()
    yield attached, lambda: model(**inputs, labels=labels).loss
    model.gradient_checkpointing_disable()
    attached.detach()
    model.requires_grad_(True)


@pytest.fixture(params=[False, True], ids=["plain", "gradient checkpointing"])
def checkpointing(request, llava):
    if request.param:
        llava[0].gradient_checkpointing_enable({"use_reentrant": False})


def test_gradient_reaches_u_and_v_alone(llava, training, checkpointing):
    model, _ = llava
    attached, loss_of_a_step = training
    loss_of_a_step().backward()
    assert {name for name, value in model.named_parameters() if value.grad is not None} == {
        "moca.u",
        "moca.v",
    }
    assert attached.u.grad.abs().sum() > 0
    # The last layer's vision rows reach the loss only through the text token that follows the image.
    assert attached.v.grad[:-1].abs().sum(1).min() > 0


def test_training_lowers_the_loss(training, checkpointing):
    attached, loss_of_a_step = training
    optimizer = torch.optim.SGD(attached.parameters(), lr=1.0)
    losses = []
    for _ in range(4):
        loss = loss_of_a_step()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)


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


def test_mir_changes_from_the_calibrated_layer_on(llava, pairs, moca):
    plain = measure(*llava, pairs, progress=False)
    with torch.no_grad():
        moca.v[2].add_(1.0)
    calibrated = measure(*llava, pairs, progress=False)
    assert [layer.fid for layer in calibrated.layers[:2]] == [layer.fid for layer in plain.layers[:2]]
    assert calibrated.layers[2].fid != pytest.approx(plain.layers[2].fid, rel=1e-3)
    assert calibrated.layers[2].text_norm == plain.layers[2].text_norm


def test_model_still_generates(llava, pairs, moca):
    model, _ = llava
    inputs = batch(llava, pairs)
    generated = model.generate(**inputs, max_new_tokens=5, do_sample=False)
    assert generated.shape[1] == inputs["input_ids"].shape[1] + 5


def test_hidden_states_keep_their_dtype(llava, pairs, moca):
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


def test_state_of_other_shapes_is_refused(tmp_path):
    save_file({"u": torch.ones(3, 8), "v": torch.ones(3, 8)}, tmp_path / "small")
    with pytest.raises(MIRModelError, match=r"small: u has shape \[3, 8\], this model needs \[6, 128\]"):
        MoCa(6, 128).load(tmp_path / "small")


def test_state_of_other_keys_is_refused(tmp_path):
    save_file({"u": torch.ones(6, 128)}, tmp_path / "half")
    with pytest.raises(MIRModelError, match="half is no MoCa: it has the keys u, expected u, v"):
        MoCa(6, 128).load(tmp_path / "half")


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(MIRModelError, match="cannot read a MoCa from .*nowhere"):
        MoCa(6, 128).load(tmp_path / "nowhere")


def test_attaching_twice_is_refused(llava, moca):
    model, _ = llava
    with pytest.raises(MIRModelError, match="has a MoCa already"):
        MoCa.attach(model)


def test_a_call_without_ids_is_refused_and_the_next_one_works(llava, pairs, moca):
    model, _ = llava
    message = r"which of the positions \[1, 5\] are vision .* call the model with input_ids"
    with pytest.raises(MIRModelError, match=message):
        model(inputs_embeds=torch.zeros(1, 5, 128))
    assert len(states(model, batch(llava, pairs))) == 7


def test_own_vision_mask_says_which_rows_are_calibrated(llava, pairs):
    model, _ = llava
    nowhere = MoCa.attach(model, lambda inputs: inputs["input_ids"].eq(-1))
    try:
        inputs = batch(llava, pairs)
        plain = states(model, inputs)
        with torch.no_grad():
            nowhere.v.add_(1)
        assert_same(states(model, inputs), plain)
    finally:
        nowhere.detach()


def test_without_a_placeholder_in_the_config_a_mask_is_asked_for(llava, monkeypatch):
    model, _ = llava
    bare = SimpleNamespace(get_text_config=model.config.get_text_config)
    monkeypatch.setattr(model, "config", bare)
    with pytest.raises(MIRModelError, match="names no image placeholder token; attach with a vision_mask"):
        MoCa.attach(model)
