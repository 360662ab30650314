"""The caption task: the model's equations and gradients, hard attention's loss, what is measured, what is shipped."""

import numpy as np
import pytest

from tasks import caption as task
from tests.attention import loops
from tests.nn.models import check_module, randomised
from tests.tasks.attending import data, holds_something, losses, small, weights_of, write_idx
from tinyaug import Tensor, no_grad, using_dtype
from tinyaug.attention.captioner import Captioner, patches
from tinyaug.data import mnist
from tinyaug.data.shapes import scenes

pytestmark = pytest.mark.host            # the command line chooses the device itself

PICTURES = np.random.default_rng(0).random((2, 4, 6, 1))
SHIFTED = np.array([[1, 2, 3], [1, 4, 2]])


def captioner(looks, depth=1):
    rng = np.random.default_rng(1)
    sizes = {"patch": 2, "channels": 1, "places": 6, "hidden": 3, "embedding": 2, "depth": depth}
    return randomised(Captioner(5, **sizes, looks=looks, rng=rng), rng)


def test_patches_are_squares_row_by_row():
    picture = np.arange(24).reshape(1, 4, 6, 1)
    found = patches(Tensor(picture), 2).numpy()[0]
    assert found.shape == (6, 4)
    for i, (top, left) in enumerate((top, left) for top in (0, 2) for left in (0, 2, 4)):
        assert found[i].tolist() == picture[0, top:top + 2, left:left + 2, 0].ravel().tolist()
    with pytest.raises(ValueError, match="patches: pictures of 4 x 6, expected multiples of the patch size 4"):
        patches(Tensor(picture), 4)
    with pytest.raises(ValueError, match="Captioner: looks 'sideways', expected soft, hard or none"):
        captioner("sideways")


def test_a_soft_captioner_against_loops():
    with using_dtype("float64"), no_grad():
        model = captioner("soft")
        logits, _ = model(Tensor(PICTURES), Tensor(SHIFTED))
        W = {name: x.numpy().tolist() for name, x in model.named_parameters()}
        for b in range(2):
            seen = [[np.tanh(a + c + d) for a, c, d in zip(loops.product(patch, W["see.weight"]), W["see.bias"], place)]
                    for patch, place in zip(patches(Tensor(PICTURES), 2).numpy()[b].tolist(), W["places"])]
            h, c = W["core.start_hidden"], W["core.start_cell"]
            for t, word in enumerate(SHIFTED[b]):
                scores = [loops.additive(h, a, W["score.query.weight"], W["score.key.weight"],
                                         [row[0] for row in W["score.weight"]]) for a in seen]
                z, _ = loops.attend(scores, seen)
                h, c = loops.lstm([*W["words.weight"][word], *z], h, c, W["core.weight"], W["core.bias"])
                expected = [a + d for a, d in zip(loops.product([*h, *z], W["output.weight"]), W["output.bias"])]
                np.testing.assert_allclose(logits.numpy()[b, t], expected, rtol=1e-10)


def test_where_the_draw_gives_way_to_its_expectation_hard_attention_is_soft():
    with using_dtype("float64"), no_grad():
        noise = Tensor(np.random.default_rng(2).gumbel(size=(2, 3, 6)))
        soft, hard = captioner("soft"), captioner("hard")
        plain, _ = soft(Tensor(PICTURES), Tensor(SHIFTED))
        logits, _ = hard(Tensor(PICTURES), Tensor(SHIFTED), noise, Tensor([True, False]))
        drawn, _ = hard(Tensor(PICTURES), Tensor(SHIFTED), noise)
    np.testing.assert_allclose(logits.numpy()[0], plain.numpy()[0], rtol=1e-12)
    assert (logits.numpy()[1] == drawn.numpy()[1]).all() and (abs(drawn.numpy()[0] - plain.numpy()[0]) > 1e-6).any()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("looks", task.MODELS)
def test_gradients(looks, depth):
    """Of hard attention with the draws held, and with the rewards constant, as REINFORCE has them."""
    noise = 50 * np.random.default_rng(2).gumbel(size=(2, 3, 6))
    with using_dtype("float64"):
        model = captioner(looks, depth)

        def run(pictures):
            logits, draws = model(pictures, Tensor(SHIFTED), Tensor(noise), Tensor([True, False]))
            return (logits, *draws) if draws else logits

        check_module(model, run, PICTURES)


@pytest.mark.parametrize("model", task.MODELS)
def test_sixty_steps_on_one_batch_lower_the_cross_entropy(model):
    found = losses(*small("caption", model, "hidden=16"), steps=60)
    assert found[-1] < 0.7 * found[0]


def test_a_draw_is_rewarded_for_its_word_and_all_that_follow(monkeypatch):
    """By hand, from the model's own logits and draws: rewards to go, less the mean of the other rows at that word.

    Row 1 draws nothing, and gets no gradient of this kind.
    """
    _, config, net = small("caption", "hard", "hidden=16")
    drawn = task.batch(config | {"batch": 3}, np.random.default_rng(1), 1)
    pictures, shifted, targets, noise = (Tensor(array) for array in drawn[:4])
    captured = []
    monkeypatch.setattr(task, "reinforce", lambda logs, rewards, baseline: captured.append(
        (logs.numpy(), rewards.numpy(), baseline.numpy())) or rewards[0, 0] * 0)
    expected = Tensor([False, True, False])
    task.loss(net, pictures, shifted, targets, noise, expected, Tensor(1.0), Tensor(0.0))
    logs, rewards, baseline = captured[0]
    logits, (likelihoods, _) = net(pictures, shifted, noise, expected)
    p = np.exp(logits.numpy() - logits.numpy().max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    for b in range(3):
        length = int((targets.numpy()[b] != 0).sum())
        words = [np.log(p[b, t, targets.numpy()[b, t]]) for t in range(length)]
        for t in range(length):
            assert rewards[b, t] == pytest.approx(sum(words[t:]), rel=1e-4)
        assert not logs[b, length:].any()
        np.testing.assert_allclose(logs[b, :length], (b != 1) * likelihoods.numpy()[b, :length], rtol=1e-5)
        np.testing.assert_allclose(baseline[b], (rewards.sum(0) - rewards[b]) / 2, rtol=1e-4, atol=1e-5)


def test_measure_counts_sentences_and_the_weight_on_what_is_named(monkeypatch):
    pictures, pairs = scenes(np.random.default_rng(3), 3)
    weights = [[np.full(36, 0.01) for _ in pair.target] for pair in pairs]
    for looked, pair in zip(weights, pairs):
        for t, cells in enumerate(pair.places):
            for cell in cells or ():
                looked[t][cell] = 0.65
    monkeypatch.setattr(task, "answers", lambda *_: ([pairs[0].target, pairs[1].target, ["red"]], weights))
    assert task.measure(None, None, pictures, pairs) == {"exact": pytest.approx(2 / 3), "on_object": pytest.approx(0.65)}


@pytest.mark.parametrize("model, bound", [("soft", 0.97), ("hard", 0.93)])
def test_shipped_weights(model, bound):
    net, config = weights_of("caption", model)
    found = task.measure(config, net, *scenes(np.random.default_rng(4), 400))
    assert found["exact"] >= bound and found["on_object"] >= 0.78


def test_the_figure_holds_something(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    net, config = weights_of("caption", "hard")
    trace = task.trace(net, config, np.random.default_rng(5))
    (path,) = task.figures(tmp_path, trace, [])
    assert path.stem == "looks" and holds_something(path)
    np.testing.assert_allclose(trace["attention_0"].sum(axis=(1, 2)), 1, atol=1e-4)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder of forty handwritten digits, bars of as many rows as the digit is, in the format of MNIST."""
    folder = tmp_path_factory.mktemp("mnist")
    labels = np.arange(40, dtype=np.uint8) % 10
    images = np.zeros((40, 28, 28), np.uint8)
    for image, label in zip(images, labels):
        image[4:6 + 2 * label, 8:20] = 255
    write_idx(folder / "t10k-images-idx3-ubyte", images)
    write_idx(folder / "t10k-labels-idx1-ubyte", labels)
    return folder


@pytest.mark.parametrize("model", task.MODELS)
def test_a_step_on_digits_and_what_is_measured_of_them(digits, model):
    entry, config, net = small("caption", model, "hidden=16", data=digits)
    found = losses(entry, config, net, steps=20)
    assert found[-1] < found[0]
    (images, labels), (unseen, answers) = task.digits(str(digits))
    assert len(labels) == 32 and len(answers) == 8 and answers.tolist() == [4, 9] * 4
    metrics = entry.evaluate(net, config, np.random.default_rng(0))["metrics"]
    assert 0 <= metrics["exact"] < 0.2 and set(entry.targets(config, {"metrics": metrics})) <= {"exact"}


def test_a_canvas_has_the_digits_where_its_sentence_says(digits):
    images, labels = mnist.read(digits)[0]
    pictures, pairs = mnist.canvases(np.random.default_rng(0), 50, images, labels)
    assert pictures.shape == (50, 42, 42, 1) and pictures.min() == 0 and pictures.max() == 1
    for picture, pair in zip(pictures, pairs):
        assert len(pair.target) == 3 * len(pair.source) == len(pair.places) and pair.source == sorted(pair.source)
        cells = picture.reshape(3, 14, 3, 14).sum(axis=(1, 3)).ravel()
        for cell, words in zip(pair.source, np.reshape(pair.target, (-1, 3))):
            assert mnist.ROWS.index(words[1]) * 3 + mnist.COLUMNS.index(words[2]) == cell
            assert cells[cell] == pytest.approx((2 + 2 * mnist.NAMES.index(words[0])) * 12 / 4, rel=0.2)
        assert (np.delete(cells, pair.source) < 6).all()


def test_shipped_weights_name_digits_that_were_never_seen():
    path = data("mnist")
    net, config = weights_of("caption", "soft", data=path)
    pictures, pairs = task.scenes(config, np.random.default_rng(4), 400, True)
    found = task.measure(config, net, pictures, pairs)
    assert found["exact"] >= 0.94 and found["on_object"] >= 0.9
