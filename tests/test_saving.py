"""Models in files: what comes back, what is refused, and what a failed write leaves behind."""
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from model_contract import USERS, rectangular_interactions

from recsys_utils.errors import CorruptArchive, InvalidInput, NotFittedError
from recsys_utils.models import EASE, BiasedSVD, Blend, ItemKNN, Popularity, PureSVD, Recommender


@pytest.fixture(scope="module")
def data():
    return rectangular_interactions()


@pytest.fixture
def saved(data, tmp_path):
    path = tmp_path / "svd.npz"
    PureSVD(factors=3, rng=5).fit(data).save(path)
    return path


def rewrite(path, change, **arrays):
    """Change the header (a dict, in place) and replace arrays; the archive stays a sound one."""
    with np.load(path) as archive:
        parts = {name: archive[name] for name in archive.files}
    header = json.loads(str(parts["header"]))
    change(header)
    np.savez(path, **parts | {"header": np.array(json.dumps(header))} | arrays)


def test_the_header_is_documented_json(saved):
    with np.load(saved, allow_pickle=False) as archive:
        header = json.loads(str(archive["header"]))
        assert header["format"] == "recsys_utils model" and header["version"] == 1
        assert header["model"]["class"] == "recsys_utils.models.pure_svd.PureSVD"
        assert header["model"]["parameters"] == {"factors": 3, "rng": 5, "values": "raw"}
        assert {"item_factors_", "user_factors_", "user_ids_", "item_ids_"} < set(archive.files)


def test_nothing_is_ever_unpickled(saved, data, monkeypatch):
    class Trap:
        def __reduce__(self):
            return pytest.fail, ("a pickle ran",)

    held = np.empty(1, dtype=object)
    held[0] = Trap()
    with np.load(saved) as archive:
        parts = {name: archive[name] for name in archive.files}
    np.savez(saved, **parts | {"item_factors_": held})
    with pytest.raises(CorruptArchive, match="damaged"):
        Recommender.load(saved)
    monkeypatch.setattr(pickle, "load", lambda *_, **__: pytest.fail("a pickle was read"))
    Popularity().fit(data).save(saved)
    Recommender.load(saved)


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no model")
    with pytest.raises(InvalidInput, match="is no model of this package"):
        Recommender.load(path)
    np.save(path := tmp_path / "array.npy", np.ones(3))
    with pytest.raises(InvalidInput, match="is no model of this package"):
        Recommender.load(path)
    np.savez(path := tmp_path / "arrays.npz", x=np.ones(3))
    with pytest.raises(InvalidInput, match="is no model of this package"):
        Recommender.load(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(InvalidInput, match="is no model of this package"):
        Recommender.load(path)
    with pytest.raises(FileNotFoundError):
        Recommender.load(tmp_path / "nowhere.npz")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, share):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(CorruptArchive, match="cut short or damaged"):
        Recommender.load(saved)


def test_a_damaged_file_is_refused(saved):
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        at = archive.getinfo("item_factors_.npy").header_offset
    content[at + 300] ^= 0xFF
    saved.write_bytes(content)
    with pytest.raises(CorruptArchive, match="damaged"):
        Recommender.load(saved)


def test_a_newer_format_is_refused(saved):
    rewrite(saved, lambda header: header.update(version=2))
    with pytest.raises(InvalidInput, match="version 2 of the format, and this package reads 1: update"):
        Recommender.load(saved)


def test_another_class_is_refused(saved):
    with pytest.raises(InvalidInput, match="PureSVD, not a EASE"):
        EASE.load(saved)
    assert isinstance(Recommender.load(saved), PureSVD)


def test_a_class_that_is_not_defined_is_not_imported(saved):
    rewrite(saved, lambda header: header["model"].update({"class": "antigravity.Model"}))
    with pytest.raises(InvalidInput, match="antigravity.Model, which is not defined here"):
        Recommender.load(saved)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda header: header["model"]["parameters"].update(factors=-1), InvalidInput),
        (lambda header: header["model"]["parameters"].update(surprise=1), CorruptArchive),
        (lambda header: header["model"]["fitted"].pop("item_ids_"), CorruptArchive),
        (lambda header: header["model"]["fitted"].update(recommend={"array": "user_ids_"}), CorruptArchive),
        (lambda header: header["model"]["fitted"].update(user_ids_={"array": "nowhere"}), CorruptArchive),
        (lambda header: header["model"]["fitted"].update(item_factors_={"array": "user_factors_"}), CorruptArchive),
        (lambda header: header["model"].pop("parameters"), CorruptArchive),
    ],
)
def test_a_tampered_header_is_refused(saved, change, error):
    rewrite(saved, change)
    with pytest.raises(error, match="svd.npz"):
        Recommender.load(saved)


def test_tampered_ids_and_sparse_matrices_are_refused(saved, data):
    rewrite(saved, lambda header: None, item_ids_=data.item_ids[::-1])
    with pytest.raises(InvalidInput, match="item_ids must be"):
        Recommender.load(saved)
    ItemKNN().fit(data).save(saved)
    with np.load(saved) as archive:
        beyond = archive["similarity_.indices"] + 10**6
    rewrite(saved, lambda header: None, **{"similarity_.indices": beyond})
    with pytest.raises(CorruptArchive, match="do not fit together"):
        Recommender.load(saved)


def test_a_folder_that_cannot_be_written_is_an_error_that_says_so(data, tmp_path):
    model = Popularity().fit(data)
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere" / "model.npz", tmp_path / "file" / "model.npz", tmp_path):
        with pytest.raises(InvalidInput, match="cannot be written .* choose another"):
            model.save(path)
    assert not list(tmp_path.parent.rglob(".*model.npz*")) and not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_file(saved, data, monkeypatch, interruption):
    before = saved.read_bytes()

    def stop(file, **arrays):
        file.write(b"half a mod")
        raise interruption

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises((KeyboardInterrupt, InvalidInput)):
        Popularity().fit(data).save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_an_unfitted_model_is_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        EASE().save(tmp_path / "model.npz")


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_goes_on_where_it_stopped(data, tmp_path, bits):
    model = BiasedSVD(factors=2, iterations=2, rng=np.random.Generator(bits(3))).fit(data)
    model.save(tmp_path / "model.npz")
    again = Recommender.load(tmp_path / "model.npz")
    assert again.rng.random() == model.rng.random()


def test_a_blend_comes_back_with_its_models(data, tmp_path):
    model = Blend(models=[EASE(), Blend(models=[PureSVD(factors=3), Popularity()])], weights=[1, 0.5]).fit(data)
    model.save(tmp_path / "model.npz")
    again = Blend.load(tmp_path / "model.npz", data)
    np.testing.assert_allclose(again.recommend(USERS, n=4)[1], model.recommend(USERS, n=4)[1])
    with np.load(tmp_path / "model.npz") as archive:
        assert sum(name.endswith("item_ids_") for name in archive.files) == 1
    assert again.fit(data).recommend(7, n=2)[0].shape == (2,)


def test_other_training_data_is_refused(saved, data):
    with pytest.raises(InvalidInput, match="other users or items"):
        Recommender.load(saved, data.select(np.arange(20)))
    with pytest.raises(InvalidInput, match="must be Interactions"):
        Recommender.load(saved, data.to_frame())


def test_what_a_file_cannot_keep_is_named(data, tmp_path):
    class Odd(Popularity):
        def __init__(self, *, function=None):
            self.function = function

    with pytest.raises(InvalidInput, match="function is function, which a file cannot keep"):
        Odd(function=lambda x: x).fit(data).save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())
