"""Fitted models in files: an npz archive of plain arrays and a JSON header. Nothing in it is ever unpickled."""
from __future__ import annotations

import json
import os
import uuid
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
from scipy import sparse

from ..errors import CorruptArchive, InvalidInput
from ..interactions import Interactions

FORMAT, VERSION = "recsys_utils model", 1
_SPARSE_PARTS = ("data", "indices", "indptr")


def write_model(path, model) -> None:
    """Write what ``model.fitted_state()`` gives; the file is complete or not there at all."""
    path, arrays, names = Path(path), {}, {}

    def encode(name: str, value):
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, np.ndarray) and (value.dtype != object or all(isinstance(one, str) for one in value.flat)):
            if names.setdefault(id(value), name) == name:  # an array that several parts share is kept once
                arrays[name] = value
            return {"array": names[id(value)]}
        if sparse.issparse(value):
            csr = value.tocsr()
            parts = [encode(f"{name}.{part}", getattr(csr, part)) for part in _SPARSE_PARTS]
            return {"csr": parts, "shape": csr.shape}
        if isinstance(value, (list, tuple)):
            return {type(value).__name__: [encode(f"{name}.{i}", part) for i, part in enumerate(value)]}
        if isinstance(value, np.random.Generator):
            return {"generator": value.bit_generator.state}
        if hasattr(value, "fitted_state"):
            state = value.fitted_state() if hasattr(value, "user_ids_") else {}
            prefix = f"{name}." if name else ""
            return {
                "class": _name(type(value)),
                "parameters": {key: encode(prefix + key, part) for key, part in value.get_params(deep=False).items()},
                "fitted": {key: encode(prefix + key, part) for key, part in state.items()},
            }
        raise InvalidInput(
            f"{name} is {type(value).__name__}, which a file cannot keep: pass numbers, text, arrays or lists of these"
        )

    header = json.dumps({"format": FORMAT, "version": VERSION, "model": encode("", model)}, default=np.ndarray.tolist)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with open(unfinished, "xb") as file:
            plain = {name: array.astype(str) if array.dtype == object else array for name, array in arrays.items()}
            np.savez(file, header=np.array(header), **plain)
        os.replace(unfinished, path)
    except OSError as error:
        raise InvalidInput(f"path {str(path)!r} cannot be written ({error.strerror}): choose another folder") from error
    finally:
        with suppress(OSError):  # where all went well it is gone
            unfinished.unlink()


def read_model(path, kind: type, root: type, interactions: Interactions | None):
    """The model in a file, of class `kind` or below; all classes below `root` are known by name."""
    told, remedy = f"path {str(path)!r}", "copy it again or save the model anew"
    with open(path, "rb") as file:
        foreign = file.read(2) != b"PK"
    try:
        if not foreign:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            header = json.loads(str(arrays.pop("header", "{}")))
            foreign = header.get("format") != FORMAT
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError) as error:
        raise CorruptArchive(f"{told} is cut short or damaged ({error}): {remedy}") from error
    if foreign:
        raise InvalidInput(f"{told} is no model of this package: pass a file that a model's save() has written")
    if header.get("version") != VERSION:
        raise InvalidInput(
            f"{told} has version {header.get('version')} of the format, and this package reads {VERSION}: update it"
        )
    known = {_name(each): each for each in _below(root)}
    try:
        name = header["model"]["class"]
        if name not in known:
            raise InvalidInput(f"it holds a {name}, which is not defined here: import or define that class first")
        if not issubclass(known[name], kind):
            raise InvalidInput(f"it holds a {name}, not a {kind.__name__}: call Recommender.load")
        return _decode(header["model"], arrays, known, interactions)
    except InvalidInput as error:
        raise InvalidInput(f"{told}: {error}") from error
    except Exception as error:
        raise CorruptArchive(f"{told}: its parts do not fit together ({error!r}): {remedy}") from error


def _decode(tree, *given):
    if not isinstance(tree, dict):
        return tree
    arrays, known, interactions = given
    if "array" in tree:
        array = arrays[tree["array"]]
        return array.astype(object) if array.dtype.kind == "U" else array
    if "csr" in tree:
        matrix = sparse.csr_matrix(tuple(_decode(part, *given) for part in tree["csr"]), shape=tuple(tree["shape"]))
        matrix.check_format(full_check=True)
        return matrix
    for kind in (list, tuple):
        if kind.__name__ in tree:
            return kind(_decode(part, *given) for part in tree[kind.__name__])
    if "generator" in tree:
        bits = {kind.__name__: kind for kind in np.random.BitGenerator.__subclasses__()}
        generator = np.random.Generator(bits[tree["generator"]["bit_generator"]]())
        generator.bit_generator.state = tree["generator"]
        return generator
    model = known[tree["class"]](**{name: _decode(part, *given) for name, part in tree["parameters"].items()})
    model.check_parameters()
    if tree["fitted"]:
        model.restore({name: _decode(part, *given) for name, part in tree["fitted"].items()}, interactions)
    return model


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _below(kind: type):
    """The class and all below it; a class that was defined twice comes last as it was defined last."""
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)
