"""Every back end of `retrieval` keeps one contract, and no file can make it answer wrongly or crash."""
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from recsys_utils import retrieval
from recsys_utils.errors import CorruptArchive, InvalidInput, MissingDependency
from recsys_utils.retrieval import files

APPROXIMATE = ("annoy", "faiss", "voyager")
BACKENDS = ("exact", *APPROXIMATE)


@pytest.fixture(scope="module", autouse=True)
def libraries():
    for name in APPROXIMATE:
        pytest.importorskip(name, reason="pip install 'factor-by-factor[retrieval]'")


@pytest.fixture(scope="module")
def data():
    """Vectors whose lengths differ as those of learnt factors do, ids in no order, and queries."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(700, 12)) * rng.lognormal(0, 0.6, (700, 1))
    return rng.permutation(5000)[:700], vectors, rng.normal(size=(40, 12))


@pytest.fixture(scope="module", params=[(b, m) for b in BACKENDS for m in ("dot", "cosine")], ids="-".join)
def index(request, data):
    backend, metric = request.param
    return retrieval.build(backend, data[0], data[1], metric, **({} if backend == "exact" else {"effort": 700}))


def truth(data, metric, n=10):
    """Ids and scores of the best `n` by the plain formula."""
    ids, vectors, queries = data
    scores = queries @ vectors.T
    if metric == "cosine":
        scores /= np.linalg.norm(queries, axis=1)[:, None] * np.linalg.norm(vectors, axis=1)
    order = np.argsort(-scores, axis=1)[:, :n]
    return ids[order], np.take_along_axis(scores, order, axis=1)


def test_finds_what_the_plain_formula_finds(index, data):
    ids, scores = index.search(data[2])
    expected, best = truth(data, index.metric)
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, expected, strict=True)])
    assert recall >= (1 if isinstance(index, retrieval.Exact) else 0.9)
    same = ids == expected
    assert np.allclose(scores[same], best[same], rtol=1e-5), "scores are exact whoever found the item"
    assert (np.diff(scores, axis=1) <= 0).all()


def test_one_query_is_a_row_of_a_batch(index, data):
    ids, scores = index.search(data[2], 7)
    assert ids.shape == scores.shape == (40, 7)
    for r in (0, 39):
        alone = index.search(data[2][r], 7)
        assert alone[0].shape == (7,) and (alone[0] == ids[r]).all()
        assert np.allclose(alone[1], scores[r], rtol=1e-5)
    assert index.search(np.zeros((0, 12)))[0].shape == (0, 10)


def test_excluded_items_never_come_back_and_lists_stay_full(index, data):
    first = index.search(data[2], 60)[0]
    ids, scores = index.search(data[2], 10, exclude=[*first[:-1], []])
    assert not any(np.isin(a, b).any() for a, b in zip(ids[:-1], first, strict=False))
    assert (ids != -1).all() and np.isfinite(scores).all()
    assert (ids[-1] == first[-1][:10]).all()
    alone = index.search(data[2][0], 10, exclude=np.append(first[0], 999_999))
    assert (alone[0] == ids[0]).all(), "an id that the index lacks is no error"


def test_an_exhausted_list_ends_with_the_missing_id(index, data):
    ids, scores = index.search(data[2][0], 703)
    assert set(ids[:700]) == set(data[0])
    assert (ids[700:] == -1).all() and (scores[700:] == -np.inf).all()
    ids, scores = index.search(data[2][0], 4, exclude=data[0][:698])
    assert set(ids[:2]) == set(data[0][698:]) and (ids[2:] == -1).all()
    ids, scores = index.search(data[2][:1], 2, exclude=[data[0]])
    assert (ids == -1).all() and (scores == -np.inf).all()


def test_bad_queries_are_refused_by_name(index, data):
    for queries, word in (
        (np.full(12, np.nan), "NaN"), (np.ones(11), "dimension 12"), (np.ones((2, 3, 12)), "dimension 12"),
        (np.full(12, 1e30), "single precision"),
    ):
        with pytest.raises(InvalidInput, match=word):
            index.search(queries)
    with pytest.raises(InvalidInput, match="n must be"):
        index.search(data[2][0], 0)
    with pytest.raises(InvalidInput, match="exclude must hold ids like"):
        index.search(data[2][0], exclude=["a"])
    with pytest.raises(InvalidInput, match="one list for each of 2"):
        index.search(data[2][:2], exclude=[[1]])


def test_a_saved_index_answers_alike(index, data, tmp_path):
    before = index.search(data[2], exclude=[data[0][:20]] * 40)
    index.effort += 1
    index.save(tmp_path / "index")
    index.effort -= 1
    opened = retrieval.open(tmp_path / "index")
    assert opened.effort == index.effort + 1
    opened.effort = index.effort
    for again in (opened, index):
        after = again.search(data[2], exclude=[data[0][:20]] * 40)
        assert (before[0] == after[0]).all() and (before[1] == after[1]).all()
    assert isinstance(opened.vectors, np.memmap)


@pytest.mark.parametrize("backend", BACKENDS)
def test_string_ids(backend, data, tmp_path):
    names = np.array([f"Künstler {i}" for i in data[0]], dtype=object)
    index = retrieval.build(backend, names, data[1])
    ids, _ = index.search(data[2][0], 701, exclude=names[:5])
    assert set(ids[:695]) == set(names[5:]) and (ids[695:] == "").all()
    index.save(tmp_path / "index")
    assert retrieval.open(tmp_path / "index").search(data[2][0])[0].tolist() == index.search(data[2][0])[0].tolist()
    with pytest.raises(InvalidInput, match="exclude must hold ids like"):
        index.search(data[2][0], exclude=[3])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("metric", ["dot", "cosine"])
def test_degenerate_catalogues(backend, metric):
    for vectors in (np.ones((1, 3)), np.zeros((4, 3)), np.ones((50, 1)), np.ones((30, 4))):
        index = retrieval.build(backend, np.arange(len(vectors)), vectors, metric)
        for query in (np.ones(vectors.shape[1]), np.zeros(vectors.shape[1])):
            ids, scores = index.search(query, len(vectors))
            assert set(ids) == set(range(len(vectors))) and np.isfinite(scores).all()


@pytest.mark.parametrize("backend", APPROXIMATE)
def test_too_few_candidates_are_made_up_by_a_scan(backend, data):
    index = retrieval.build(backend, data[0], data[1], effort=1)
    best = index.search(data[2], 10)[0]
    exact = truth(data, "dot", 699)[0]
    ids, _ = index.search(data[2], 300, exclude=list(best))
    assert (ids != -1).all()
    index.candidates = lambda query, n, banned: [-1, 3]
    ids, _ = index.search(data[2][0], 10)
    assert (ids == exact[0][:10]).all()


def test_bad_input_is_refused_by_name(data):
    ids, vectors, _ = data
    for arguments, word in (
        ((ids[:-1], vectors), "one row for each"), ((ids, vectors[:, 0]), "one row for each"),
        ((np.append(ids[:-1], ids[0]), vectors), "more than once"), ((np.append(ids[:-1], -1), vectors), "no item"),
        ((ids.astype(float), vectors), "whole numbers or strings"), ((ids, vectors * np.nan), "NaN"),
        ((ids, vectors * 1e30), "single precision"), ((ids, vectors, "euclidean"), "metric"),
        (([], vectors), "item_ids"),
    ):
        with pytest.raises(InvalidInput, match=word):
            retrieval.build("exact", *arguments)
    with pytest.raises(InvalidInput, match="backend"):
        retrieval.build("nothing", ids, vectors)
    with pytest.raises(InvalidInput, match="setting"):
        retrieval.build("annoy", ids, vectors, leaves=3)
    with pytest.raises(InvalidInput, match="trees"):
        retrieval.build("annoy", ids, vectors, trees=2.5)


def test_reduction_turns_products_into_distances(data):
    _, vectors, queries = data
    longer = retrieval.augmented(vectors)
    query = np.append(queries[0], 0)
    square = (np.linalg.norm(vectors, axis=1) ** 2).max()
    assert np.allclose((longer**2).sum(axis=1), square)
    assert np.allclose(((query - longer) ** 2).sum(axis=1), query @ query + square - 2 * vectors @ queries[0])
    assert retrieval.augmented(vectors.astype("f4")).dtype == np.float32


@pytest.mark.parametrize("backend", APPROXIMATE)
def test_a_missing_library_is_named_with_its_remedy(backend, data, tmp_path, monkeypatch):
    retrieval.build(backend, *data[:2]).save(tmp_path / "index")
    monkeypatch.setitem(sys.modules, backend, None)
    for call in (lambda: retrieval.build(backend, *data[:2]), lambda: retrieval.open(tmp_path / "index")):
        with pytest.raises(MissingDependency, match=rf"{backend}.*pip install"):
            call()


@pytest.fixture(scope="module", params=BACKENDS)
def saved(request, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "index"
    retrieval.build(request.param, data[0], data[1]).save(path)
    return path


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "index")


def reseal(path, **changes):
    """Change the header, with the digest that belongs to it."""
    header = json.loads((path / "header.json").read_text()) | changes
    del header["seal"]
    (path / "header.json").write_text(json.dumps(header | {"seal": files.seal(header)}))


def test_damage_to_any_part_is_found(saved, tmp_path):
    names = sorted(os.listdir(saved))
    assert len(names) == (4 if "exact" in (saved / "header.json").read_text() else 5)
    for k, name in enumerate(names):
        whole = (saved / name).read_bytes()
        flipped = bytearray(whole)
        flipped[len(whole) // 2] ^= 1
        for j, damage in enumerate((whole[: len(whole) // 2], b"", bytes(flipped), whole + b"x", None)):
            path = shutil.copytree(saved, tmp_path / f"{k}-{j}")
            if damage is None:
                (path / name).unlink()
            else:
                (path / name).write_bytes(damage)
            with pytest.raises(CorruptArchive, match="build the index again, or copy it anew"):
                retrieval.open(path)


def test_cuts_are_found_without_reading_the_parts(copy):
    part = next(copy.glob("vectors-*"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(CorruptArchive, match="is cut"):
        retrieval.open(copy, verify=False)


def test_foreign_files_and_other_versions_are_refused(copy, tmp_path):
    for change, word in (
        ({"version": 2}, "version 2, here it is 1"), ({"format": "zip"}, "format zip"),
        ({"byte order": "big"}, "byte order big"), ({"library version": "0.1"}, "library version 0.1"),
    ):
        before = (copy / "header.json").read_text()
        reseal(copy, **change)
        with pytest.raises(CorruptArchive, match=word):
            retrieval.open(copy)
        (copy / "header.json").write_text(before)
    assert len(retrieval.open(copy)) == 700
    for content in ("", "[]", "{}", "\x00", '{"seal": 1}', '{"seal": 1, "library": null}'):
        (copy / "header.json").write_text(content)
        with pytest.raises(CorruptArchive):
            retrieval.open(copy)
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorruptArchive, match="no saved index"):
            retrieval.open(path)


def test_a_pickle_in_a_part_is_not_run(copy):
    part = next(copy.glob("ids-*"))
    np.save(part.with_suffix(".npy"), np.array([print], dtype=object), allow_pickle=True)
    part.with_suffix(".npy").replace(part)
    header = json.loads((copy / "header.json").read_text())
    header["parts"]["ids"] |= {"bytes": part.stat().st_size, "sha256": files.digest(part)}
    reseal(copy, parts=header["parts"])
    with pytest.raises(CorruptArchive, match="cannot be read.*objects"):
        retrieval.open(copy)


def test_saving_replaces_an_index_in_one_step(data, tmp_path, monkeypatch):
    path = tmp_path / "index"
    old = retrieval.build("annoy", *data[:2])
    old.save(path)
    answers, reader = old.search(data[2])[0], retrieval.open(path)
    new = retrieval.build("annoy", data[0], -data[1])
    with monkeypatch.context() as patch:  # the disk is full when the header comes
        patch.setattr("pathlib.Path.write_text", lambda *_, **__: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(OSError, match="no space"):
            new.save(path)
    assert (retrieval.open(path).search(data[2])[0] == answers).all()
    new.save(path)
    assert (retrieval.open(path).search(data[2])[0] == new.search(data[2])[0]).all()
    assert (reader.search(data[2])[0] == answers).all(), "a reader keeps what it has mapped"
    assert len(os.listdir(path)) == 5, "parts of older indices are gone"
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="saved as a directory"):
        new.save(tmp_path / "file")


def test_an_index_made_by_other_kernels_answers_alike(saved, data):
    """What another processor would do: the libraries' plain code paths, in another process."""
    code = (
        "import sys, numpy as np; from recsys_utils import retrieval\n"
        "print(retrieval.open(sys.argv[1]).search(np.load(sys.argv[2]))[0].tolist())"
    )
    np.save(saved.parent / "queries.npy", data[2])
    environment = os.environ | {"FAISS_OPT_LEVEL": "generic", "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved), str(saved.parent / "queries.npy")],
        env=environment, capture_output=True, text=True, check=True, timeout=120,
    )
    assert json.loads(done.stdout) == retrieval.open(saved).search(data[2])[0].tolist()
