"""Fitted estimators as files, copies and pickles."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from gpytorch.kernels import LinearKernel, MaternKernel, RBFKernel, ScaleKernel
from safetensors import safe_open
from safetensors.torch import save_file
from sklearn.base import clone

import aljupyter as al
from aljupyter.errors import ModelError, NotFitted
from aljupyter.models import GPClassifier, GPRegressor

GENERATOR = np.random.default_rng(0)
X, NEW = GENERATOR.normal(size=(40, 3)), GENERATOR.normal(size=(700, 3)) * 1.5
Y = 50 + 20 * np.sin(2 * X[:, 0]) + 3 * GENERATOR.normal(size=40)


def own():
    return LinearKernel() + ScaleKernel(MaternKernel(2.5, ard_num_dims=3))


def regressors():
    return {
        "default": GPRegressor(),
        "plain": GPRegressor("rbf", prior=None, normalize_y=False, optimizer="faithful"),
        "no noise": GPRegressor(noise=0.0, optimizer=None),
        "numpy": GPRegressor(noise=np.float32(4.0), normalize_y=np.bool_(True)),
        "single": GPRegressor(predict_dtype="float32"),
    }


def everything(model) -> list[np.ndarray]:
    """All that a fitted model says."""
    if isinstance(model, GPRegressor):
        said = [*model.predict(NEW, return_std=True), *model.leave_one_out(), np.array(model.noise_)]
    else:
        said = [model.predict_proba(NEW), model.predict(NEW), model.leave_one_out_proba(), model.classes_]
    return [*said, model.theta_, np.array(model.log_marginal_likelihood_value_), model.sample_latent(NEW[:20], 2)]


def assert_same(first, second):
    for one, two in zip(everything(first), everything(second), strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    for one, two in zip(first.models_, second.models_, strict=True):
        assert one.track.to_json() == two.track.to_json()
        state, same = one.state_dict(), two.state_dict()
        assert state.keys() == same.keys() and all(torch.equal(state[name], same[name]) for name in state)


def saved(model, folder, **arguments):
    model.save(folder / "model.safetensors")
    return type(model).load(folder / "model.safetensors", **arguments)


@pytest.mark.parametrize("name", regressors())
def test_a_regressor_comes_back_bit_for_bit(name, tmp_path):
    model = regressors()[name].fit(X, Y)
    again = saved(model, tmp_path)
    assert_same(model, again)
    assert again.get_params() == model.get_params()
    assert not isinstance(again.noise, np.generic)


@pytest.mark.parametrize(
    "labels",
    [
        Y > 50,
        np.digitize(Y, [40, 60]) - 1,
        np.array(["ash", "elm", "Ω oak"])[np.digitize(Y, [40, 60])],
        np.array(["no", "yes"], dtype=object)[(Y > 50).astype(int)],
        np.where(Y > 50, 1.5e-300, 2.0).round(300) * 0 + (Y > 50),
        (Y > 50).astype(np.uint8),
    ],
    ids=["bool", "int", "str", "object", "float", "uint8"],
)
def test_a_classifier_comes_back_bit_for_bit_with_its_labels(labels, tmp_path):
    model = GPClassifier().fit(X, labels)
    assert_same(model, saved(model, tmp_path))


@pytest.mark.parametrize("estimator", [GPClassifier, GPRegressor])
def test_what_was_appended_or_imagined_comes_back_bit_for_bit(estimator, tmp_path):
    y = Y if estimator is GPRegressor else np.digitize(Y, [40, 60])
    model = estimator().fit(X[:20], y[:20]).fantasize(X[20:25] * 3, y[20:25])
    assert_same(model, saved(model, tmp_path))


def test_a_loop_goes_on_from_a_file_as_if_nothing_had_been(tmp_path):
    labels = (Y > 50).astype(int)
    model = GPClassifier().fit(X[:30], labels[:30])
    again = saved(model, tmp_path)
    one, two = (GPClassifier().fit_from(X[:32], labels[:32], last) for last in (model, again))
    assert_same(one, two)


@pytest.mark.parametrize("estimator", [GPClassifier, GPRegressor])
def test_a_kernel_of_ones_own_is_given_again(estimator, tmp_path):
    y = Y if estimator is GPRegressor else Y > 50
    model = estimator(own(), optimizer="faithful").fit(X, y)
    with pytest.raises(ModelError, match=r"(?s)kernel of your own, .* load\(path, kernel=.*MaternKernel"):
        saved(model, tmp_path)
    assert_same(model, saved(model, tmp_path, kernel=own()))


def test_values_that_a_kernel_does_not_learn_come_from_the_file(tmp_path):
    def held(length):
        kernel = ScaleKernel(RBFKernel())
        kernel.base_kernel.lengthscale = length
        kernel.base_kernel.raw_lengthscale.requires_grad_(False)
        return kernel

    model = GPRegressor(held(0.5)).fit(X, Y)
    again = saved(model, tmp_path, kernel=held(7.0))
    assert_same(model, again)
    assert again.kernel_.base_kernel.lengthscale.item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (LinearKernel() + ScaleKernel(MaternKernel(1.5, ard_num_dims=3)), "another function"),
        (LinearKernel() + ScaleKernel(MaternKernel(2.5)), "size mismatch"),
        (ScaleKernel(RBFKernel()), "not built as the saved one"),
        (MaternKernel(2.5, ard_num_dims=5), "5 features"),
    ],
)
def test_another_kernel_is_refused(kernel, words, tmp_path):
    with pytest.raises(ModelError, match=f"(?s)model.safetensors cannot be loaded.*{words}"):
        saved(GPRegressor(own(), optimizer=None).fit(X, Y), tmp_path, kernel=kernel)


def test_a_kernel_that_is_in_the_file_is_not_given(tmp_path):
    with pytest.raises(ModelError, match="saved with the kernel 'ard': leave out"):
        saved(GPRegressor().fit(X, Y), tmp_path, kernel=own())


def test_names_of_features_come_back(tmp_path):
    frame = pd.DataFrame(X, columns=["length", "width", "depth"])
    model = GPRegressor().fit(frame, Y)
    again = saved(model, tmp_path)
    assert again.feature_names_in_.tolist() == ["length", "width", "depth"]
    np.testing.assert_array_equal(again.predict(frame), model.predict(frame))


def test_the_file_is_plain_safetensors(tmp_path):
    path = tmp_path / "model.safetensors"
    GPClassifier().fit(X, np.where(Y > 50, "b", "a")).save(path)
    with safe_open(path, framework="np") as file:
        assert {"x", "0.y", "0.theta", "0.posterior.f_N"} <= set(file.keys())
        assert "0.state.covar_module.base_kernel.raw_lengthscale" in set(file.keys())
        np.testing.assert_array_equal(file.get_tensor("x"), X)
        metadata = file.metadata()
    assert metadata["class"] == "GPClassifier" and metadata["version"] == al.__version__
    assert json.loads(metadata["facts"])["classes"] == ["a", "b"]
    assert json.loads(metadata["parameters"])["kernel"] == "rbf"


# --- what is refused, and what stays as it was ----------------------------------------------------------------------


def test_files_that_are_none_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    model = GPRegressor().fit(X, Y)
    model.save(path)
    whole = path.read_bytes()
    for damaged in (b"", b"not a model", whole[:-1], whole[: len(whole) // 2], whole[:50], pickle.dumps({"a": 1})):
        path.write_bytes(damaged)
        with pytest.raises(ModelError, match=r"model.safetensors is no whole \.safetensors file"):
            GPRegressor.load(path)
    save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(ModelError, match="was not written by `GPRegressor.save`"):
        GPRegressor.load(path)
    path.write_bytes(whole)
    with pytest.raises(ModelError, match="holds a GPRegressor, not a GPClassifier"):
        GPClassifier.load(path)
    with pytest.raises(FileNotFoundError):
        GPRegressor.load(tmp_path / "other")
    with pytest.raises(IsADirectoryError):
        GPRegressor.load(tmp_path)


def rewritten(path, change):
    """A file with other contents, as somebody might make one."""
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name).clone() for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors, metadata)
    save_file(tensors, path, metadata)


@pytest.mark.parametrize(
    "change",
    [
        lambda tensors, _: tensors.pop("x"),
        lambda tensors, _: tensors.pop("0.posterior.chol_N_N"),
        lambda tensors, _: tensors.update(x=tensors["x"][:10]),
        lambda tensors, _: tensors.update({"0.posterior.chol_N_N": torch.eye(3)}),
        lambda tensors, _: tensors.update({"0.theta": torch.zeros(2)}),
        lambda _, metadata: metadata.update(parameters="{"),
        lambda _, metadata: metadata.update(parameters="[1]"),
        lambda _, metadata: metadata.update(parameters='{"kernel": "ard", "solver": 1}'),
        lambda _, metadata: metadata.update(parameters='{"kernel": "ard", "device": "abacus"}'),
        lambda _, metadata: metadata.update(parameters='{"kernel": "ard", "prior": "flat"}'),
        lambda _, metadata: metadata.update(facts="[]"),
        lambda _, metadata: metadata.pop("facts"),
        lambda _, metadata: metadata.update(models="[]"),
        lambda _, metadata: metadata.update(models="[{}, {}]"),
        lambda _, metadata: metadata.update(features="7"),
    ],
)
def test_a_file_that_was_changed_is_refused(change, tmp_path):
    path = tmp_path / "model.safetensors"
    GPRegressor().fit(X, Y).save(path)
    rewritten(path, change)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        GPRegressor.load(path)


@pytest.mark.parametrize(
    "device", ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
)
def test_a_model_on_a_named_device_comes_back_bit_for_bit(device, tmp_path):
    assert_same(model := GPRegressor(device=device).fit(X, Y), saved(model, tmp_path))
    assert_same(model := GPClassifier(device=torch.device(device)).fit(X, Y > 50), saved(model, tmp_path))


def test_a_model_from_a_gpu_computes_here_where_there_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    path = tmp_path / "model.safetensors"
    model = GPRegressor().fit(X, Y)
    model.save(path)

    def on_a_gpu(_, metadata):
        metadata["parameters"] = json.dumps(json.loads(metadata["parameters"]) | {"device": "cuda:0"})

    rewritten(path, on_a_gpu)
    with pytest.warns(UserWarning, match="cuda:0, which is not here"):
        again = GPRegressor.load(path)
    assert again.device is None
    assert_same(model, again)


def test_a_save_that_fails_leaves_the_last_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    GPRegressor().fit(X, Y).save(path)
    before = path.read_bytes()

    def full(_):
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        GPRegressor(noise=1.0).fit(X, Y).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(NotFitted):
        GPRegressor().save(tmp_path / "model")
    with pytest.raises(FileNotFoundError):
        GPRegressor().fit(X, Y).save(tmp_path / "no such folder" / "model")
    with pytest.raises(ModelError, match="numbers, strings or booleans to be saved"):
        GPClassifier().fit(X, np.array(["2020", "2021"], dtype="datetime64[Y]")[(Y > 50).astype(int)]).save(
            tmp_path / "model"
        )
    assert not list(tmp_path.iterdir())


# --- copies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("kernel", ["rbf", "ard", own()], ids=["rbf", "ard", "own"])
def test_copies_and_pickles_say_the_same(kernel, copied, tmp_path):
    for model in (GPRegressor(kernel).fit(X, Y), GPClassifier(kernel).fit(X, np.digitize(Y, [40, 60]))):
        assert_same(model, copied(model))
        again = saved(model, tmp_path, kernel=None if isinstance(kernel, str) else kernel)
        assert_same(again, copied(again))


def test_a_clone_has_the_parameters_and_no_fit(tmp_path):
    model = saved(GPClassifier("ard", predict_dtype="float32").fit(X, Y > 50), tmp_path)
    twin = clone(model)
    assert twin.get_params() == model.get_params() and twin.predict_dtype == "float32"
    assert not hasattr(twin, "models_")
